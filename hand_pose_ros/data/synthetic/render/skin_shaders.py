"""GLSL that paints skin, bare or in a glove."""

from __future__ import annotations

# Noise lives in the rest pose, so it sticks to the skin. `lines` holds what is drawn on the hand
# seen from above: the lines of the palm, fine lines, veins and tendons of the back.
SKIN_PAINT = """
uniform sampler2D lines;
uniform vec4 lines_place;   // corner and 1 / size of that drawing [m]
uniform vec3 back_colour;
uniform vec3 palm_colour;
uniform vec3 nail_colour;
uniform vec4 polish;        // colour, and 1 where there is any
uniform float knuckle_depth;
uniform float mottle;
uniform float gloss;
uniform vec3 seed;
uniform float wrinkles;
uniform vec4 back_marks;    // veins, tendons, freckles, moles
uniform float redness;
uniform float hair;
uniform float nail_length;

// A spot in some cells of a grid: 1 inside, 0 outside.
float spots(vec3 p, float share, float softness) {
    vec3 cell = floor(p);
    float chance = hash(cell + 3.0);
    vec3 centre = 0.3 + 0.4 * vec3(hash(cell + 11.0), hash(cell + 23.0), hash(cell + 37.0));
    float radius = 0.08 + 0.2 * hash(cell + 51.0);
    float inside = smoothstep(radius, radius * softness, length(fract(p) - centre));
    return inside * step(chance, share);
}

struct Nail { float on; float rim; vec3 albedo; };

Nail nail_of(vec3 place) {
    vec2 n = place.xy;
    float facing = smoothstep(0.15, 0.40, place.z);
    float plate = sqrt(length(n * n));
    float on = smoothstep(1.0, 0.93, plate) * facing;
    float rim = clamp(smoothstep(1.28, 1.0, plate) * facing - on, 0.0, 1.0);
    vec3 bare = nail_colour * mix(0.93, 1.08, smoothstep(0.3, -0.9, n.x));
    bare *= 1.0 - 0.10 * smoothstep(0.55, 1.0, abs(n.y));
    float free = 0.96 - 0.42 * nail_length + 0.12 * n.y * n.y;
    vec3 white = mix(nail_colour, vec3(0.80, 0.76, 0.70), 0.55);
    bare = mix(bare, white, smoothstep(free - 0.04, free + 0.04, n.x));
    float lunula = smoothstep(0.50, 0.25, length(n + vec2(0.95, 0.0)));
    bare = mix(bare, mix(nail_colour, vec3(0.85), 0.22), lunula);
    return Nail(on, rim, mix(bare, polish.rgb, polish.a));
}

void paint() {
    vec3 p = v_rest.xyz + seed;
    float footprint = length(fwidth(v_rest.xyz)) * 0.7;
    float palm = v_skin.x, back = 1.0 - palm;
    float arm = smoothstep(-0.01, -0.05, v_rest.x);
    float fine = noise(p * 900.0) * seen(900.0, footprint);
    float middle = noise(p * 260.0) * seen(260.0, footprint), coarse = noise(p * 60.0);
    vec2 warp = 0.004 * vec2(coarse, noise(p * 45.0 + 9.0)) + 0.0012 * middle;
    float side = step(0.5, palm);
    vec2 drawn = (v_rest.xy + mix(1.6, 0.45, side) * warp - lines_place.xy) * lines_place.zw;
    vec4 marks = texture(lines, drawn);
    float sure = smoothstep(0.15, 0.5, abs(palm - 0.5));

    vec3 albedo = mix(back_colour, palm_colour, palm);
    albedo *= 1.0 + mottle * (0.6 * coarse + 0.5 * middle + 0.35 * fine);
    // Blood: fingertips, the heel of the palm and blotches are redder, more so on the palm.
    float tip = smoothstep(1.5, 0.5, abs(v_nail.x)) * smoothstep(2.2, 0.8, abs(v_nail.y));
    float blood = mix(0.16, 0.34, palm) * (1.3 * coarse + 0.45 * middle)
        + (0.10 + 0.12 * redness) * max(tip, 0.6 * v_skin.y);
    albedo *= vec3(1.0 + 0.30 * blood, 1.0 - 0.42 * blood, 1.0 - 0.36 * blood);
    float knuckle = v_skin.y * (0.75 + 0.5 * middle);
    albedo *= mix(vec3(1.0), vec3(0.90, 0.74, 0.70), knuckle * knuckle_depth);

    float wave = v_skin.z + 0.0008 * middle + 0.0016 * coarse;
    float bends = v_skin.w * palm * (0.55 + 0.9 * coarse)
        * (line(wave, 0.0009) + 0.5 * line(wave - 0.0024 - 0.002 * coarse, 0.0007)
           + 0.3 * line(wave + 0.0027 - 0.003 * coarse, 0.0008));
    float large = marks.x * side * sure * (1.0 - v_skin.w);
    float small = marks.y * side * sure;
    float creases = clamp(bends + large, 0.0, 1.0);
    float folds = v_skin.w * back * smoothstep(0.2, 0.7, v_skin.y) * line(wave, 0.0042)
        * (0.5 + 0.5 * sin(wave * 4300.0 + 3.0 * coarse + 4.0 * middle))
        * (0.8 + 1.2 * coarse) * seen(700.0, footprint);
    float vein = marks.z * (1.0 - side) * sure * back_marks.x;
    float tendon = marks.w * (1.0 - side) * sure * back_marks.y;
    float deep = 0.5 + 0.5 * min(wrinkles, 1.5);
    albedo *= 1.0 - deep * (vec3(0.20, 0.34, 0.36) * creases + vec3(0.05, 0.09, 0.10) * small
                            + vec3(0.08, 0.11, 0.11) * folds);
    albedo *= mix(vec3(1.0), vec3(0.80, 0.90, 0.97), vein);
    float freckle = 0.0;
    if (back_marks.z > 0.0) freckle = spots(p * 300.0, 0.75 * back_marks.z, 0.3)
        * smoothstep(-0.3, 0.25, coarse) * back * seen(200.0, footprint);
    albedo *= mix(vec3(1.0), vec3(0.72, 0.58, 0.50), freckle);
    float mole = spots(p * 90.0, 0.05 * back_marks.w, 0.6) * (0.25 + 0.75 * back);
    albedo *= mix(vec3(1.0), vec3(0.40, 0.28, 0.24), mole * step(0.02, back_marks.w));
    if (hair > 0.0) {
        float strands = noise(vec3(p.x * 160.0, (p.y + 0.2 * p.x) * 1500.0, p.z * 1500.0));
        float there = hair * back * max(arm, 0.4 * smoothstep(0.055, 0.02, v_rest.x));
        albedo *= 1.0 - 0.8 * there * mix(0.15, smoothstep(0.12, 0.35, strands),
                                          seen(900.0, footprint));
    }

    float grain = (0.000050 + 0.000030 * palm) * fine + 0.00016 * middle;
    float height = wrinkles * (grain - 0.00034 * creases - 0.00010 * small + 0.00012 * folds)
        + 0.0004 * vein + 0.0009 * tendon + 0.00012 * mole;
    vec3 smooth_normal = normalize(v_normal);
    Nail nail = nail_of(v_nail);
    albedo = mix(albedo * (1.0 - vec3(0.20, 0.28, 0.28) * nail.rim), nail.albedo, nail.on);
    height = height * (1.0 - nail.on) - 0.00025 * nail.rim;
    vec3 normal = bumped(smooth_normal, v_position, height, v_reach);

    Surface s;
    s.position = v_position;
    s.normal = normal;
    s.smooth_normal = smooth_normal;
    s.albedo = albedo;
    s.openness = v_rest.w * (1.0 - 0.35 * creases * deep);
    s.gloss = gloss * (1.0 + 0.9 * fine + 0.5 * middle) * mix(1.0 - 0.25 * palm, 1.9, nail.on);
    s.sharpness = mix(24.0, 80.0 + 70.0 * polish.a, nail.on);
    s.mirror = vec3(0.035);
    s.wrap = mix(vec3(0.20, 0.11, 0.08), vec3(0.08), nail.on);
    s.through = vec3(0.0036, 0.0013, 0.0009) * mix(0.65, 1.0, back_colour.g * 2.0);
    s.fuzz = 0.0;
    colour = developed(lighted(s));
}
"""

GLOVE_PAINT = """
uniform vec3 back_colour;
uniform vec3 glove_colour;
uniform int glove_fabric;   // cloth, latex, leather
uniform float glove_cuff;   // x in the rest pose where it ends [m]
uniform vec3 seed;

void paint() {
    vec3 p = v_rest.xyz + seed;
    float footprint = length(fwidth(v_rest.xyz)) * 0.7;
    float on = smoothstep(glove_cuff - 0.0006, glove_cuff + 0.0006, v_rest.x);
    float hem = line(v_rest.x - glove_cuff - 0.004, 0.0010) + line(v_rest.x - glove_cuff, 0.0014);
    float fine = noise(p * 900.0) * seen(900.0, footprint);
    float middle = noise(p * 240.0) * seen(240.0, footprint), coarse = noise(p * 60.0);
    float wave = v_skin.z + 0.0030 * middle + 0.003 * coarse;
    float bends = v_skin.w * v_skin.w * line(wave, 0.006) * sin(wave * 1700.0 + 9.0 * coarse);
    float crumple = abs(noise(p * vec3(150.0, 90.0, 120.0) + 2.0 * coarse)) * 2.0;
    float weave = sin(p.x * 5200.0) * sin((p.y + p.z) * 5200.0) * seen(900.0, footprint);
    vec3 albedo = glove_colour * (1.0 + 0.22 * coarse + 0.15 * middle - 0.18 * hem);
    float height = 0.00022 * bends - 0.00035 * hem, shine_ = 0.12, sharp = 12.0, cloth = 0.5;
    vec3 through = vec3(0.0);
    if (glove_fabric == 0) {
        albedo *= 1.0 + 0.35 * fine + 0.18 * weave;
        height += 0.00006 * weave + 0.0003 * middle + 0.0001 * fine;
    } else if (glove_fabric == 1) {
        albedo = mix(albedo, back_colour, 0.10);
        height += 0.00030 * crumple * (0.35 + v_skin.w * line(wave, 0.010)) + 0.00035 * bends;
        shine_ = 1.0; sharp = 55.0; cloth = 0.0;
        through = vec3(0.0010);
    } else {
        float grain = abs(noise(p * 520.0)) * seen(520.0, footprint);
        albedo *= 1.0 - 0.5 * grain + 0.2 * middle;
        height += 0.00030 * grain + 0.00030 * crumple * line(wave, 0.012) + 0.00025 * bends;
        shine_ = 0.55; sharp = 22.0; cloth = 0.08;
    }
    float skin_height = 0.00016 * middle;
    vec3 smooth_normal = normalize(v_normal);
    Surface s;
    s.position = v_position;
    s.normal = bumped(smooth_normal, v_position, mix(skin_height, height, on), v_reach);
    s.smooth_normal = smooth_normal;
    s.albedo = mix(back_colour * (1.0 + 0.3 * middle), albedo, on);
    s.openness = v_rest.w * (1.0 - 0.4 * hem * on);
    s.gloss = mix(0.6, shine_ * (1.0 + 0.4 * fine), on);
    s.sharpness = mix(24.0, sharp, on);
    s.mirror = vec3(0.04);
    s.wrap = mix(vec3(0.20, 0.11, 0.08), vec3(0.10), on);
    s.through = mix(vec3(0.0036, 0.0013, 0.0009), through, on);
    s.fuzz = cloth * on;
    colour = developed(lighted(s));
}
"""
