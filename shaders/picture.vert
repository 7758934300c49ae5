// Scan conversion: the corners of a mesh over a grid, placed in the window of a panel.
// The program's header defines mesh_position_m as that of the grid's kind.
#include "grid.glsl"

attribute vec2 a_index;         // row, column; half a sample beyond the outermost ones

uniform vec4 u_mesh_lattice;
uniform vec3 u_mesh_origin;
uniform vec4 u_window;          // centre x, z in metres; metres to clip coordinates along x, z

varying vec2 v_position_m;

void main() {
    v_position_m = mesh_position_m(a_index, u_mesh_lattice, u_mesh_origin);
    gl_Position = vec4((v_position_m - u_window.xy) * u_window.zw, 0.0, 1.0);
}
