// A colour bar fills its viewport.
attribute vec2 a_corner;

varying float v_height;             // 0 lower end, 1 upper end

void main() {
    v_height = 0.5 * a_corner.y + 0.5;
    gl_Position = vec4(a_corner, 0.0, 1.0);
}
