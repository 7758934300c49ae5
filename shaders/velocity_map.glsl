// Velocity to colour. Zero stays in the dark middle of the map, wherever the baseline is; each
// side of it reaches its end of the map at its limit.
uniform sampler2D u_velocity_map;   // 256 x 1, away ... towards
uniform vec2 u_limits;              // of the bar, in v_N: below zero, above zero
uniform float u_direction;          // -1 swaps the colours of the two directions

vec3 velocity_colour(float velocity) {
    float limit = velocity < 0.0 ? -u_limits.x : u_limits.y;
    float at = clamp(u_direction * velocity / limit, -1.0, 1.0);
    return texture2D(u_velocity_map, vec2((127.5 * at + 128.0) / 256.0, 0.5)).rgb;
}
