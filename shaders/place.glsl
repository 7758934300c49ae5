// Where a pixel is. Between the corners of a parallel grid an index is linear, and interpolated;
// on a polar grid it follows from the position. The header defines what takes which.
varying vec2 v_position_m;
varying vec2 v_mesh_index;          // on the grid of the mesh
varying vec2 v_bmode_index;         // if that of B-mode is parallel
