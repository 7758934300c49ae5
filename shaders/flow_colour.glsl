// Colour of flow of some velocity, as the map in use wants it.
#include "colour.glsl"
#include "velocity_map.glsl"

#if defined(SHOWS_POWER)
uniform float u_power_range_db;     // from the weakest flow shown to the end of the map

vec3 flow_colour(float velocity) {
    vec4 power_db = vec4(tap_a.y, tap_b.y, tap_c.y, tap_d.y);
    float mean_db = dot(weights, power_db) / dot(weights, vec4(1.0));
    float above = clamp((mean_db - u_power_db) / u_power_range_db, 0.0, 1.0);
    return map_colour(velocity * u_direction < 0.0 ? -above : above, 0.0);
}
#elif defined(SHOWS_VARIANCE)
uniform vec2 u_disturbed;           // bandwidths from which flow counts as disturbed: a bit, fully

vec3 flow_colour(float velocity) {
    vec4 bandwidth = fract(vec4(tap_a.w, tap_b.w, tap_c.w, tap_d.w));
    float mean = dot(weights, bandwidth) / dot(weights, vec4(1.0));
    float disturbed = clamp((mean - u_disturbed.x) / (u_disturbed.y - u_disturbed.x), 0.0, 1.0);
    return map_colour(map_place(velocity), disturbed);
}
#else
vec3 flow_colour(float velocity) {
    return velocity_colour(velocity);
}
#endif
