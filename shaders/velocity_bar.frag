#include "stale.glsl"
#include "velocity_map.glsl"

varying vec2 v_at;

void main() {
#if defined(SHOWS_POWER)
    vec3 colour = map_colour(u_direction * (2.0 * v_at.y - 1.0), 0.0);
#elif defined(SHOWS_VARIANCE)
    vec3 colour = map_colour(map_place(mix(u_limits.x, u_limits.y, v_at.y)), v_at.x);
#else
    vec3 colour = velocity_colour(mix(u_limits.x, u_limits.y, v_at.y));
#endif
    gl_FragColor = shown(colour);
}
