"""GLSL of the hand renderer: one program for shadows, one for skin."""

SHADOW_VERTEX = """
#version 330
uniform mat4 light_clip;
in vec3 position;
void main() { gl_Position = light_clip * vec4(position, 1.0); }
"""

SHADOW_FRAGMENT = """
#version 330
void main() {}
"""

SKIN_VERTEX = """
#version 330
uniform mat4 camera_clip;
uniform mat4 light_clip;
in vec3 position;
in vec3 normal;
in float openness;
in vec3 rest;
in vec4 skin;   // palm, knuckle, distance to crease, its strength
in vec3 nail;   // coordinates along and across, facing
out vec3 v_position;
out vec3 v_normal;
out float v_openness;
out vec3 v_rest;
out vec4 v_skin;
out vec3 v_nail;
out vec3 v_shadow;
void main() {
    v_position = position;
    v_normal = normal;
    v_openness = openness;
    v_rest = rest;
    v_skin = skin;
    v_nail = nail;
    vec4 lit = light_clip * vec4(position + 0.0012 * normal, 1.0);
    v_shadow = lit.xyz * 0.5 + 0.5;
    gl_Position = camera_clip * vec4(position, 1.0);
}
"""

# Light in linear colours; the edge of the light is wrapped and reddened, as by light that went
# through the skin. Noise lives in the rest pose, so it sticks to the skin.
SKIN_FRAGMENT = """
#version 330
uniform sampler2DShadow shadow_map;
uniform vec3 to_light;
uniform vec3 light_colour;
uniform vec3 sky_colour;
uniform vec3 ground_colour;
uniform vec3 back_colour;
uniform vec3 palm_colour;
uniform vec3 nail_colour;
uniform float knuckle_depth;
uniform float mottle;
uniform float gloss;
uniform float seed;
uniform float exposure;
in vec3 v_position;
in vec3 v_normal;
in float v_openness;
in vec3 v_rest;
in vec4 v_skin;
in vec3 v_nail;
in vec3 v_shadow;
out vec4 colour;

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

float line(float distance, float width) {
    return exp(-distance * distance / (width * width));
}

// The three large lines of the palm, as arcs in the plane of the resting hand [m].
float palm_lines(vec2 p) {
    vec2 q = p + 0.0015 * vec2(noise(vec3(p * 260.0, seed)), noise(vec3(p * 260.0, seed + 7.0)));
    float life = line(length(q - vec2(0.0276, 0.0548)) - 0.0519, 0.0012)
        * smoothstep(0.080, 0.070, q.x) * smoothstep(0.006, 0.022, q.x) * step(q.y, 0.0548);
    float head = line(length(q - vec2(-0.1152, 0.0797)) - 0.1961, 0.0011)
        * smoothstep(-0.036, -0.020, q.y) * smoothstep(0.039, 0.033, q.y) * step(-0.1152, q.x);
    float heart = line(length(q - vec2(0.1501, -0.0685)) - 0.0900, 0.0012)
        * smoothstep(-0.054, -0.046, q.y) * smoothstep(0.014, 0.004, q.y) * step(q.x, 0.1501);
    return max(life, max(0.8 * head, heart));
}

float shadow() {
    float lit = 0.0;
    for (int x = -2; x <= 2; ++x)
        for (int y = -2; y <= 2; ++y)
            lit += texture(shadow_map, v_shadow + vec3(vec2(x, y) * 0.0016, -0.002));
    return lit / 25.0;
}

void main() {
    vec3 p = v_rest + seed;
    float palm = v_skin.x;
    float fine = noise(p * 900.0), middle = noise(p * 260.0), coarse = noise(p * 60.0);
    vec3 albedo = mix(back_colour, palm_colour, palm);
    albedo *= 1.0 + mottle * (0.7 * coarse + 0.6 * middle + 0.35 * fine);
    // Blood: fingertips, the heel of the palm and blotches are redder, more so on the palm.
    float blood = 0.30 * mix(0.5, 1.0, palm) * (coarse + 0.35 * middle);
    albedo *= vec3(1.0 + 0.35 * blood, 1.0 - 0.35 * blood, 1.0 - 0.30 * blood);
    float knuckle = v_skin.y * (0.75 + 0.5 * middle);
    albedo *= mix(vec3(1.0), vec3(0.90, 0.74, 0.70), knuckle * knuckle_depth);

    float wave = v_skin.z + 0.0012 * middle;
    float creases = v_skin.w * palm * (line(wave, 0.0008) + 0.5 * line(wave - 0.0024, 0.0006));
    float folds = v_skin.w * v_skin.y * (0.5 + 0.5 * sin(wave * 4200.0)) * line(wave, 0.0050);
    creases += palm_lines(v_rest.xy) * smoothstep(0.5, 0.9, palm) * (1.0 - v_skin.w);
    albedo *= 1.0 - vec3(0.26, 0.40, 0.42) * clamp(creases, 0.0, 1.0) - 0.14 * folds;

    vec3 normal = normalize(v_normal);
    float bump = mix(0.05, 0.10, palm);
    normal = normalize(normal + bump * vec3(noise(p * 620.0), noise(p * 620.0 + 17.0),
                                            noise(p * 620.0 + 31.0)));

    vec2 n = v_nail.xy;
    float plate = pow(pow(abs(n.x), 4.0) + pow(abs(n.y), 4.0), 0.25);
    float on_nail = smoothstep(1.0, 0.93, plate) * smoothstep(0.15, 0.40, v_nail.z);
    float rim = smoothstep(1.25, 1.0, plate) * smoothstep(0.15, 0.40, v_nail.z) - on_nail;
    vec3 nail = nail_colour * mix(0.95, 1.10, smoothstep(0.2, -0.9, n.x));
    nail = mix(nail, nail_colour * vec3(1.12, 1.18, 1.20), smoothstep(0.80, 0.88, n.x));
    float lunula = smoothstep(0.47, 0.25, length(n + vec2(0.9, 0.0)));
    nail = mix(nail, nail_colour * vec3(1.10, 1.12, 1.12), lunula);
    albedo = mix(albedo * (1.0 - 0.25 * clamp(rim, 0.0, 1.0)), nail, on_nail);

    float facing = dot(normal, to_light);
    float lit = shadow();
    vec3 wrap = vec3(0.34, 0.14, 0.10);
    vec3 direct = clamp((facing + wrap) / (1.0 + wrap), 0.0, 1.0) * lit;
    vec3 ambient = mix(ground_colour, sky_colour, 0.5 - 0.5 * normal.y);
    // Light that comes back out between fingers has been through skin.
    vec3 occlusion = pow(vec3(v_openness), vec3(0.85, 1.05, 1.1));
    vec3 to_eye = normalize(-v_position);
    vec3 half_way = normalize(to_light + to_eye);
    float fresnel = 0.04 + 0.96 * pow(1.0 - max(dot(to_eye, half_way), 0.0), 5.0);
    float sharp = mix(22.0, 90.0, on_nail);
    float mirror = pow(max(dot(normal, half_way), 0.0), sharp) * (sharp + 8.0) / 25.0;
    float shine = gloss * mix(1.0, 2.2, on_nail) * (1.0 + 0.8 * fine);
    float edge = pow(1.0 - max(dot(normal, to_eye), 0.0), 4.0);
    vec3 light = albedo * (direct * light_colour + occlusion * ambient)
        + shine * fresnel * mirror * lit * light_colour * max(facing, 0.0)
        + 0.25 * gloss * edge * occlusion * ambient;
    light *= exposure;
    light = light * (1.0 + light * 0.12) / (1.0 + light * 0.55);
    colour = vec4(pow(clamp(light, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
"""
