// Middle panel: how many times the shown velocity is folded. Labels are never interpolated.
#include "colour.glsl"
#include "fold_map.glsl"

const float ABSTAINED = 3.0;
const vec3 HATCH = vec3(0.93, 0.94, 0.96);

uniform float u_baseline;           // in v_N
uniform float u_hatch_px;           // distance between stripes

void main() {
    sample_flow();
    float corrected = strongest(vec4(tap_a.z, tap_b.z, tap_c.z, tap_d.z));
    float status = strongest(vec4(tap_a.w, tap_b.w, tap_c.w, tap_d.w));
    vec4 colour = fold_colour(floor(0.5 * (corrected - u_baseline) + 0.5));
    bool stripe = fract((gl_FragCoord.x + gl_FragCoord.y) / u_hatch_px) < 0.3;
    if (status == ABSTAINED && stripe) colour = vec4(HATCH, 1.0);
    gl_FragColor = over_grey(colour.rgb, colour.a);
}
