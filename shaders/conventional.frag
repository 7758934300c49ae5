// Left panel: velocity as measured, shown between -v_N and v_N around the baseline.
#include "flow_colour.glsl"

uniform float u_baseline;           // in v_N

void main() {
    sample_flow();
    // An average across +-v_N would be a false dark seam: the samples are unwrapped against the
    // one that counts most, averaged, and wrapped again.
    vec4 velocity = vec4(tap_a.x, tap_b.x, tap_c.x, tap_d.x);
    float reference = strongest(velocity);
    float step_up = dot(weights, wrapped(velocity - reference)) / dot(weights, vec4(1.0));
    float measured = reference + step_up;
    gl_FragColor = over_grey(flow_colour(wrapped(measured - u_baseline) + u_baseline), 1.0);
}
