uniform sampler2D u_overlay;        // premultiplied by alpha

varying vec2 v_at;

void main() {
    gl_FragColor = texture2D(u_overlay, v_at);
}
