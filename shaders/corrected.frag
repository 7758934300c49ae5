// Right panel: velocity with the folds undone.
#include "flow_colour.glsl"

void main() {
    sample_flow();
    // Samples more than v_N apart lie on two sides of an edge (uncorrected beside corrected, or
    // two vessels): nothing between them was measured, so the edge stays sharp.
    vec4 velocity = vec4(tap_a.z, tap_b.z, tap_c.z, tap_d.z);
    float reference = strongest(velocity);
    weights *= step(abs(velocity - reference), vec4(1.0));
    gl_FragColor = over_grey(flow_colour(dot(weights, velocity) / dot(weights, vec4(1.0))), 1.0);
}
