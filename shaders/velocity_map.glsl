// Velocity to colour. Zero stays in the dark middle of the map, wherever the baseline is; each
// side of it reaches its end of the map at its limit.
uniform sampler2D u_velocity_map;   // 256 x 2: away ... towards, of calm and of disturbed flow
uniform vec2 u_limits;              // of the bar, in v_N: below zero, above zero
uniform float u_direction;          // -1 swaps the colours of the two directions

float map_place(float velocity) {
    float limit = velocity < 0.0 ? -u_limits.x : u_limits.y;
    return clamp(u_direction * velocity / limit, -1.0, 1.0);
}

// place: -1 ... 1; disturbed: 0 ... 1.
vec3 map_colour(float place, float disturbed) {
    vec2 at = vec2((127.5 * place + 128.0) / 256.0, 0.25 + 0.5 * disturbed);
    return texture2D(u_velocity_map, at).rgb;
}

vec3 velocity_colour(float velocity) {
    return map_colour(map_place(velocity), 0.0);
}
