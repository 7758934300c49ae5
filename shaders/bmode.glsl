// The grey picture: echo level in dB on its own grid. The header defines BMODE_INDEX.
#include "grid.glsl"
#include "place.glsl"

uniform sampler2D u_bmode_db;   // with the gains at the depths in it
uniform vec4 u_bmode_lattice;
uniform vec3 u_bmode_origin;
uniform vec2 u_bmode_size;      // rows, columns
uniform vec2 u_grey;            // gain in dB, 1 / dynamic range in 1/dB

// 0 dB is white at a gain of 0; black below the dynamic range and outside the grid.
float grey_here() {
    vec2 index = BMODE_INDEX;
    vec2 inside = step(-0.5, index) * step(index, u_bmode_size - 0.5);
    float level_db = texture2D(u_bmode_db, (index.yx + 0.5) / u_bmode_size.yx).r;
    return inside.x * inside.y * clamp(1.0 + (level_db + u_grey.x) * u_grey.y, 0.0, 1.0);
}
