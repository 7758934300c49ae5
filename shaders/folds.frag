// Middle panel: how many times the shown velocity is folded. Labels are never interpolated.
#include "colour.glsl"
#include "fold_map.glsl"

const float ABSTAINED = 3.0, BY_HAND = 4.0, UNSURE = 8.0;
const vec3 HATCH = vec3(0.93, 0.94, 0.96), DOT = vec3(1.0, 0.56, 0.96);
const float SHADE = 0.25;

uniform float u_baseline;           // in v_N
uniform float u_hatch_px;           // distance between stripes

// Stripes stay where they are on the screen, whatever the picture does.
bool stripe(float along, float share) {
    return fract(along / u_hatch_px) < share;
}

void main() {
    sample_flow();
    float corrected = strongest(vec4(tap_a.z, tap_b.z, tap_c.z, tap_d.z));
    float state = floor(strongest(vec4(tap_a.w, tap_b.w, tap_c.w, tap_d.w)));
    vec4 colour = fold_colour(floor(0.5 * (corrected - u_baseline) + 0.5));
    float rising = gl_FragCoord.x + gl_FragCoord.y, falling = gl_FragCoord.x - gl_FragCoord.y;
    if (mod(state, UNSURE) == ABSTAINED) {
        if (stripe(rising, 0.25) || stripe(falling, 0.25)) colour = vec4(HATCH, 1.0);
    } else if (mod(state, UNSURE) == BY_HAND) {
        // Dots: nobody but a person made this.
        if (stripe(0.7 * rising, 0.4) && stripe(0.7 * falling, 0.4)) colour = vec4(DOT, 1.0);
    } else if (state >= UNSURE && stripe(falling, 0.4)) {
        colour = vec4(SHADE * colour.rgb, 1.0);
    }
    gl_FragColor = over_grey(colour.rgb, colour.a);
}
