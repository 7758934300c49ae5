#include "stale.glsl"
#include "velocity_map.glsl"

varying float v_height;

void main() {
    gl_FragColor = shown(velocity_colour(mix(u_limits.x, u_limits.y, v_height)));
}
