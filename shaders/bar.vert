// A colour bar fills its viewport.
attribute vec2 a_corner;

varying vec2 v_at;                  // 0 left and lower end, 1 right and upper end

void main() {
    v_at = 0.5 * a_corner + 0.5;
    gl_Position = vec4(a_corner, 0.0, 1.0);
}
