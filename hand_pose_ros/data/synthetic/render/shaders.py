"""GLSL programs of the renderer: depth alone, skin (bare or in a glove) and things."""

from __future__ import annotations

from hand_pose_ros.data.synthetic.render.shader_parts import BUMP, LIGHT, NOISE
from hand_pose_ros.data.synthetic.render.skin_shaders import GLOVE_MAIN, SKIN_MAIN

DEPTH_VERTEX = """
#version 330
uniform mat4 clip;
in vec3 position;
void main() { gl_Position = clip * vec4(position, 1.0); }
"""

DEPTH_FRAGMENT = """
#version 330
void main() {}
"""

_OUTPUT = """
layout(location = 0) out vec4 colour;
layout(location = 1) out vec2 layer;   // z [m], label
uniform float label;
"""

SKIN_VERTEX = """
#version 330
uniform mat4 camera_clip;
in vec3 position;
in vec3 normal;
in float openness;
in vec3 rest;
in vec4 skin;   // palm, knuckle, distance to crease, its strength
in vec3 nail;   // coordinates along and across, facing
out vec3 v_position;
out vec3 v_normal;
out vec4 v_rest;
out vec4 v_skin;
out vec3 v_nail;
void main() {
    v_position = position;
    v_normal = normal;
    v_rest = vec4(rest, openness);
    v_skin = skin;
    v_nail = nail;
    gl_Position = camera_clip * vec4(position, 1.0);
}
"""

_SKIN_INPUT = """
in vec3 v_position;
in vec3 v_normal;
in vec4 v_rest;
in vec4 v_skin;
in vec3 v_nail;
"""

THING_VERTEX = """
#version 330
uniform mat4 camera_clip;
in vec3 position;
in vec3 normal;
in vec3 local;
out vec3 v_position;
out vec3 v_normal;
out vec3 v_local;
void main() {
    v_position = position;
    v_normal = normal;
    v_local = local;
    gl_Position = camera_clip * vec4(position, 1.0);
}
"""

_THING_MAIN = """
in vec3 v_position;
in vec3 v_normal;
in vec3 v_local;
uniform vec3 first_colour;
uniform vec3 second_paint;
uniform int pattern;   // plain, stripes, checker, noise, weave, knit
uniform float period;
uniform vec4 finish;   // gloss, sharpness, metal, fuzz

float wave(float x, float blur) {
    float steep = clamp(0.35 / max(blur, 0.02), 0.5, 12.0);
    return clamp(0.5 + steep * sin(6.2832 * x), 0.0, 1.0);
}

void main() {
    vec3 q = v_local / period;
    float blur = length(fwidth(q));
    float share = 0.0, height = 0.0, left = clamp(1.4 - 1.8 * blur, 0.0, 1.0);
    float cloud = noise(v_local * 40.0 + 5.0);
    if (pattern == 1) share = wave(q.x + 0.02, blur);
    else if (pattern == 2) {
        vec3 squares = vec3(wave(q.x, blur), wave(q.y, blur), wave(q.z + 0.25, blur)) - 0.5;
        share = 0.5 + 4.0 * squares.x * squares.y * squares.z;
    } else if (pattern == 3) share = clamp(0.5 + 1.4 * noise(q * 2.0) + 0.7 * noise(q * 5.0)
                                           * clamp(1.3 - 3.0 * blur, 0.0, 1.0), 0.0, 1.0);
    else if (pattern == 4) {
        float over = sin(6.2832 * q.x) * sin(6.2832 * q.y);
        share = 0.25 + 0.25 * over * left;
        height = 0.05 * period * over * left;
    } else if (pattern == 5) {
        float rib = abs(fract(q.x) - 0.5) * 2.0;
        float loops = sin(6.2832 * (q.y * 1.4 + 0.5 * rib));
        share = (0.45 * (1.0 - rib) + 0.15 * loops * left) * left;
        height = 0.10 * period * (rib + 0.3 * loops) * left;
    }
    vec3 albedo = mix(first_colour, second_paint, clamp(share, 0.0, 1.0)) * (1.0 + 0.12 * cloud);
    vec3 smooth_normal = normalize(v_normal);
    if (dot(smooth_normal, v_position) > 0.0) smooth_normal = -smooth_normal;
    Surface s;
    s.position = v_position;
    s.normal = pattern > 3 ? bumped(smooth_normal, v_position, height) : smooth_normal;
    s.smooth_normal = smooth_normal;
    s.mirror = mix(vec3(0.04), albedo, finish.z);
    s.albedo = albedo * (1.0 - 0.85 * finish.z);
    s.openness = 0.9;
    s.gloss = finish.x;
    s.sharpness = finish.y;
    s.wrap = vec3(0.25 * finish.w);
    s.through = vec3(0.0);
    s.fuzz = finish.w;
    colour = developed(lighted(s));
    layer = vec2(v_position.z, label);
}
"""

_HEAD = "#version 330\n" + _OUTPUT + NOISE + BUMP + LIGHT
SKIN_FRAGMENT = _HEAD + _SKIN_INPUT + SKIN_MAIN
GLOVE_FRAGMENT = _HEAD + _SKIN_INPUT + GLOVE_MAIN
THING_FRAGMENT = _HEAD + _THING_MAIN
