"""GLSL programs of the renderer: depth alone, hands (bare or in a glove) and things."""

from __future__ import annotations

from hand_pose_ros.data.synthetic.render.shader_parts import BUMP, LIGHT, NOISE
from hand_pose_ros.data.synthetic.render.skin_shaders import GLOVE_PAINT, SKIN_PAINT

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

_THING_OUTPUT = """
layout(location = 0) out vec4 colour;
layout(location = 1) out vec2 layer;   // z [m], label
uniform float label;
"""

HAND_VERTEX = """
#version 330
uniform mat4 camera_clip;
in vec3 position;
in vec3 normal;
in float openness;
in vec3 rest;
in vec4 skin;   // palm, knuckle, distance to crease, its strength
in vec3 nail;   // coordinates along and across, facing
out float v_depth;
out vec4 v_facing;
out vec4 v_rest;
out vec3 v_skin;
out vec3 v_nail;
void main() {
    v_depth = position.z;
    v_facing = vec4(normal, openness);
    v_rest = vec4(rest, skin.x);
    v_skin = skin.yzw;
    v_nail = nail;
    gl_Position = camera_clip * vec4(position, 1.0);
}
"""

# What is where: hands are drawn so first, as small triangles would paint most pixels many times.
HAND_FRAGMENT = """
#version 330
layout(location = 0) out vec2 layer;   // z [m], label
layout(location = 1) out vec4 facing;
layout(location = 2) out vec4 rest;
layout(location = 3) out vec4 skin;
layout(location = 4) out vec2 nail;
uniform float label;
in float v_depth;
in vec4 v_facing;
in vec4 v_rest;
in vec3 v_skin;
in vec3 v_nail;
void main() {
    layer = vec2(v_depth, label);
    facing = v_facing;
    rest = v_rest;
    skin = vec4(v_skin, v_nail.z);
    nail = v_nail.xy;
}
"""

SCREEN_VERTEX = """
#version 330
in vec2 corner;
void main() { gl_Position = vec4(corner, 1.0, 1.0); }
"""

# Then each pixel of a hand is painted once, from what is there.
_PAINT_FRAME = """
layout(location = 0) out vec4 colour;
uniform float label;
uniform mat3 ray;   // of a pixel, in the camera frame
uniform sampler2D layers;
uniform sampler2D facings;
uniform sampler2D rests;
uniform sampler2D skins;
uniform sampler2D nails;
vec3 v_position;
vec3 v_normal;
vec4 v_rest;
vec4 v_skin;
vec3 v_nail;
float v_reach;
void paint();

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy);
    vec2 layer = texelFetch(layers, here, 0).xy;
    if (layer.y != label) discard;
    vec4 facing = texelFetch(facings, here, 0), rest = texelFetch(rests, here, 0);
    vec4 skin = texelFetch(skins, here, 0);
    v_position = layer.x * (ray * vec3(gl_FragCoord.xy - 0.5, 1.0));
    v_normal = facing.xyz;
    v_rest = vec4(rest.xyz, facing.w);
    v_skin = vec4(rest.w, skin.xyz);
    v_nail = vec3(texelFetch(nails, here, 0).xy, skin.w);
    v_reach = 8.0 * layer.x * ray[0][0];
    paint();
}
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
    s.normal = pattern > 3 ? bumped(smooth_normal, v_position, height, 1.0) : smooth_normal;
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

_COMMON = NOISE + BUMP + LIGHT
_PAINT_HEAD = "#version 330\n" + _PAINT_FRAME + _COMMON
SKIN_FRAGMENT = _PAINT_HEAD + SKIN_PAINT
GLOVE_FRAGMENT = _PAINT_HEAD + GLOVE_PAINT
THING_FRAGMENT = "#version 330\n" + _THING_OUTPUT + _COMMON + _THING_MAIN
