uniform float u_live;           // 1 live; 0 stale: without colour, and dimmed

vec4 shown(vec3 colour) {
    float luma = dot(colour, vec3(0.299, 0.587, 0.114));
    return vec4(mix(vec3(0.55 * luma), colour, u_live), 1.0);
}
