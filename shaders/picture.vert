// Scan conversion: the corners of a mesh over a grid, placed in the window of a panel.
// The program's header defines mesh_position_m as that of the grid's kind.
#include "grid.glsl"
#include "place.glsl"

attribute vec2 a_index;         // row, column; half a sample beyond the outermost ones

uniform vec4 u_mesh_lattice;
uniform vec3 u_mesh_origin;
uniform vec4 u_bmode_lattice;
uniform vec3 u_bmode_origin;
uniform vec4 u_window;          // centre x, z in metres; metres to clip coordinates along x, z

void main() {
    v_position_m = mesh_position_m(a_index, u_mesh_lattice, u_mesh_origin);
    v_bmode_index = parallel_index(v_position_m, u_bmode_lattice, u_bmode_origin);
    v_mesh_index = a_index;
    gl_Position = vec4((v_position_m - u_window.xy) * u_window.zw, 0.0, 1.0);
}
