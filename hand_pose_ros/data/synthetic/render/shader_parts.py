"""GLSL that the programs share: noise, shadow, light and tone."""

NOISE = """
float hash(vec3 p) {
    p = fract(p * vec3(0.1031, 0.1030, 0.0973));
    p += dot(p, p.yxz + 33.33);
    return fract((p.x + p.y) * p.z);
}

float noise(vec3 p) {
    vec3 cell = floor(p), f = fract(p);
    f = f * f * (3.0 - 2.0 * f);
    vec2 o = vec2(0.0, 1.0);
    float near = mix(mix(hash(cell), hash(cell + o.yxx), f.x),
                     mix(hash(cell + o.xyx), hash(cell + o.yyx), f.x), f.y);
    float far = mix(mix(hash(cell + o.xxy), hash(cell + o.yxy), f.x),
                    mix(hash(cell + o.xyy), hash(cell + o.yyy), f.x), f.y);
    return mix(near, far, f.z) - 0.5;
}

// How much of a pattern of this many waves per metre is left where a pixel spans `footprint` [m].
float seen(float frequency, float footprint) {
    return clamp(1.3 - 1.3 * frequency * footprint, 0.0, 1.0);
}

float squared(float x) {
    return x * x;
}

float line(float distance, float width) {
    return exp(-distance * distance / (width * width));
}
"""

# Bumps without tangents. Source: Mikkelsen 2010, Bump mapping unparametrized surfaces on the GPU.
BUMP = """
// Past an edge, where the next pixel lies further away than `reach` [m], there are no bumps.
vec3 bumped(vec3 normal, vec3 position, float height, float reach) {
    vec3 along = dFdx(position), down = dFdy(position);
    if (max(dot(along, along), dot(down, down)) > reach * reach) return normal;
    vec3 first = cross(down, normal), second = cross(normal, along);
    float area = dot(along, first);
    vec3 slope = sign(area) * (dFdx(height) * first + dFdy(height) * second);
    vec3 tilted = abs(area) * normal - slope;
    return normalize(tilted + 1e-20 * normal);
}
"""

# Light in linear colours. A surface that light enters (skin) has soft, reddened edges of light and
# glows where it is thin against the lamp: `through` is how far [m] each colour goes inside. Its
# shadow comes from six samples of the lamp's depth, which tell how much matter lies before it.
LIGHT = """
uniform sampler2D shadow_map;
uniform mat4 light_clip;
uniform float shadow_reach;   // half of the length that the lamp's depth spans [m]
uniform float shadow_soft;    // radius of the samples, in the map's coordinates
uniform vec3 to_light;
uniform vec3 light_colour;
uniform vec3 to_second;
uniform vec3 second_colour;
uniform vec3 sky_colour;
uniform vec3 ground_colour;
uniform float exposure;

struct Surface {
    vec3 position;
    vec3 normal;
    vec3 smooth_normal;
    vec3 albedo;
    float openness;
    float gloss;
    float sharpness;
    vec3 mirror;    // colour of reflections seen from straight above
    vec3 wrap;      // how far light reaches around
    vec3 through;
    float fuzz;
};

// Adds to how many samples the lamp reaches, and to the matter [m] before them.
void add_sample(vec3 place, float bias, float soft, inout vec2 reached) {
    float before = (place.z - texture(shadow_map, place.xy).r) * 2.0 * shadow_reach - bias;
    reached += vec2(clamp(1.0 - before / soft, 0.0, 1.0), max(before, 0.0));
}

// Share of the samples that the lamp reaches, and the mean matter [m] before the others.
vec2 shadow(vec3 position, vec3 normal, float facing) {
    // Grazing light would find the edges of the coarse triangles that the map is drawn with.
    float grazing = 1.0 - clamp(facing, 0.0, 1.0);
    grazing *= grazing;
    float lift = 0.0010 + 0.0016 * grazing;
    vec3 place = (light_clip * vec4(position + lift * normal, 1.0)).xyz * 0.5 + 0.5;
    vec2 edge = smoothstep(0.5, 0.47, abs(place.xy - 0.5));
    float bias = 0.0008 + 0.0036 * grazing;
    float soft = 0.0010 + 0.0030 * grazing;
    vec2 reached = vec2(0.0);
    // One by one: a loop over places in an array takes far longer without a GPU.
    add_sample(place + shadow_soft * vec3(-0.30, -0.14, 0.0), bias, soft, reached);
    add_sample(place + shadow_soft * vec3(0.26, 0.30, 0.0), bias, soft, reached);
    add_sample(place + shadow_soft * vec3(0.34, -0.52, 0.0), bias, soft, reached);
    add_sample(place + shadow_soft * vec3(-0.36, 0.66, 0.0), bias, soft, reached);
    add_sample(place + shadow_soft * vec3(-0.80, -0.44, 0.0), bias, soft, reached);
    add_sample(place + shadow_soft * vec3(0.86, 0.14, 0.0), bias, soft, reached);
    return mix(vec2(1.0, 0.0), reached / 6.0, edge.x * edge.y);
}

vec3 shine(Surface s, vec3 lamp, vec3 to_eye) {
    vec3 half_way = normalize(lamp + to_eye);
    float across = 1.0 - max(dot(to_eye, half_way), 0.0);
    vec3 fresnel = s.mirror + (1.0 - s.mirror) * squared(squared(across)) * across;
    float towards = max(dot(s.normal, half_way), 0.0);
    // Skin has a wide sheen below the narrow one, whose power is four times as high.
    float wide = pow(towards, 0.25 * s.sharpness), narrow = squared(squared(wide));
    float sheen = mix(wide * (0.25 * s.sharpness + 8.0), narrow * (s.sharpness + 8.0), 0.6) / 25.0;
    return s.gloss * fresnel * sheen * max(dot(s.smooth_normal, lamp), 0.0);
}

vec3 lighted(Surface s) {
    vec3 to_eye = normalize(-s.position);
    float facing = dot(s.normal, to_light), broad = dot(s.smooth_normal, to_light);
    vec2 reached = shadow(s.position, s.smooth_normal, broad);
    vec3 inside = s.through * smoothstep(0.0, 0.0001, s.through);
    vec3 passed = exp(-reached.y / max(inside, 1e-5)) * step(1e-5, inside);
    // Red light is scattered widest and sees the least of the small bumps.
    vec3 bumps = mix(vec3(facing), vec3(broad), step(1e-5, inside) * vec3(0.6, 0.25, 0.15));
    vec3 soft = clamp((bumps + s.wrap) / (1.0 + s.wrap), 0.0, 1.0);
    // What scatters past the edge of light fades by itself; a shadow would show its texels.
    vec3 plain = max(bumps, 0.0);
    float scattered = mix(s.openness * s.openness, reached.x, smoothstep(0.0, 0.3, broad));
    vec3 direct = plain * mix(passed, vec3(1.0), reached.x) + (soft - plain) * scattered
        + 0.30 * passed * clamp(0.25 - broad, 0.0, 1.0);
    vec3 second = clamp((dot(s.normal, to_second) + s.wrap) / (1.0 + s.wrap), 0.0, 1.0)
        * s.openness * second_colour;
    vec3 occlusion = pow(vec3(s.openness), mix(vec3(1.0), vec3(0.80, 1.05, 1.12),
                                               step(1e-5, inside)));
    vec3 ambient = mix(ground_colour, sky_colour, 0.5 - 0.5 * s.normal.y);
    float away = squared(1.0 - max(dot(s.normal, to_eye), 0.0));
    vec3 mirrored = reflect(-to_eye, s.normal);
    vec3 room = mix(ground_colour, sky_colour, smoothstep(-0.5, 0.5, -mirrored.y));
    vec3 metal = clamp((s.mirror - 0.08) / 0.92, 0.0, 1.0);
    vec3 diffuse = s.albedo * (direct * light_colour + second + occlusion * ambient);
    return diffuse
        + shine(s, to_light, to_eye) * reached.x * light_colour
        + shine(s, to_second, to_eye) * s.openness * second_colour
        + (0.22 * s.gloss * squared(away) + metal) * occlusion * room
        + s.fuzz * s.albedo * away * ambient;
}

// What a camera makes of linear light: a soft shoulder and the curve of its display.
vec4 developed(vec3 light) {
    light *= exposure;
    light = light * (1.0 + light * 0.12) / (1.0 + light * 0.55);
    return vec4(pow(clamp(light, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
"""
