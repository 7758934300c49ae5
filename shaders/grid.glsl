// Sample indices of an image grid to metres and back: ImageGrid.positions_m and .indices in
// ultrasound_console/geometry.py. An index is (row, column), a position (x, z).
// lattice: first range, first line, range step, line step.
// origin: apex x, apex z (polar), tangent of the steering angle (parallel).

vec2 parallel_position_m(vec2 index, vec4 lattice, vec3 origin) {
    vec2 at = lattice.xy + index * lattice.zw;
    return vec2(at.y + at.x * origin.z, at.x);
}

vec2 parallel_index(vec2 position_m, vec4 lattice, vec3 origin) {
    vec2 at = vec2(position_m.y, position_m.x - position_m.y * origin.z);
    return (at - lattice.xy) / lattice.zw;
}

vec2 polar_position_m(vec2 index, vec4 lattice, vec3 origin) {
    vec2 at = lattice.xy + index * lattice.zw;
    return origin.xy + at.x * vec2(sin(at.y), cos(at.y));
}

vec2 polar_index(vec2 position_m, vec4 lattice, vec3 origin) {
    vec2 from_apex = position_m - origin.xy;
    vec2 at = vec2(length(from_apex), atan(from_apex.x, from_apex.y));
    return (at - lattice.xy) / lattice.zw;
}
