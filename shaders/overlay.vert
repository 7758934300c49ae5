// Text over the panels, one texel for a pixel.
attribute vec2 a_place_px;          // physical pixels from the canvas's top left corner

uniform vec2 u_size_px;             // of canvas and texture

varying vec2 v_at;

void main() {
    v_at = a_place_px / u_size_px;
    gl_Position = vec4(v_at * vec2(2.0, -2.0) + vec2(-1.0, 1.0), 0.0, 1.0);
}
