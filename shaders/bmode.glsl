// The grey picture: echo level in dB on its own grid. The header defines bmode_index.
#include "grid.glsl"

uniform sampler2D u_bmode_db;
uniform vec4 u_bmode_lattice;
uniform vec3 u_bmode_origin;
uniform vec2 u_bmode_size;      // rows, columns
uniform vec2 u_grey;            // gain in dB, 1 / dynamic range in 1/dB
uniform vec4 u_tgc_near;        // gains in dB at eight evenly spaced depths of the grid
uniform vec4 u_tgc_far;

// Linear between the depths: each counts by a triangle around it.
float tgc_db(float row) {
    float at = 7.0 * clamp(row / (u_bmode_size.x - 1.0), 0.0, 1.0);
    vec4 depth = vec4(0.0, 1.0, 2.0, 3.0);
    vec4 upper = max(1.0 - abs(at - depth), 0.0);
    vec4 lower = max(1.0 - abs(at - 4.0 - depth), 0.0);
    return dot(upper, u_tgc_near) + dot(lower, u_tgc_far);
}

// 0 dB is white at a gain of 0; black below the dynamic range and outside the grid.
float grey_at(vec2 position_m) {
    vec2 index = bmode_index(position_m, u_bmode_lattice, u_bmode_origin);
    vec2 inside = step(-0.5, index) * step(index, u_bmode_size - 0.5);
    float level_db = texture2D(u_bmode_db, (index.yx + 0.5) / u_bmode_size.yx).r;
    float gain_db = u_grey.x + tgc_db(index.x);
    return inside.x * inside.y * clamp(1.0 + (level_db + gain_db) * u_grey.y, 0.0, 1.0);
}
