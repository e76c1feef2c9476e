/* One layer by XNNPACK, 8-bit weights, with a scale a channel in convolutions: what
   dnnc's counts are compared with. The layer runs some times, so that the difference of
   two counts is that of one run.
   xnnpack SIDE CHANNELS FILTERS KERNEL TIMES; a SIDE of 0 is a linear layer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <xnnpack.h>

static void check(const char *what, enum xnn_status status) {
    if (status != xnn_status_success) {
        fprintf(stderr, "xnnpack: %s: status %d\n", what, status);
        exit(1);
    }
}

static int8_t *noise(size_t n, uint32_t seed) {
    int8_t *x = malloc(n + XNN_EXTRA_BYTES);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = (int8_t)((seed >> 24) % 255 - 127);
    }
    return x;
}

int main(int argc, char **argv) {
    if (argc != 6)
        return 2;
    uint32_t side = (uint32_t)atoi(argv[1]), in = (uint32_t)atoi(argv[2]), out = (uint32_t)atoi(argv[3]), k = (uint32_t)atoi(argv[4]);
    int times = atoi(argv[5]);
    int linear = side == 0;
    if (linear)
        side = k = 1;
    int8_t *x = noise((size_t)side * side * in, 1), *w = noise((size_t)out * k * k * in, 2), *y = noise((size_t)side * side * out, 3);
    int32_t *bias = calloc(out, sizeof *bias);
    float *scale = malloc(out * sizeof *scale);
    for (uint32_t c = 0; c < out; c++)
        scale[c] = 0.01f + 0.0001f * (float)(c % 7);
    check("initialize", xnn_initialize(NULL));
    xnn_operator_t op = NULL;
    if (linear) {
        check("create", xnn_create_fully_connected_nc_qs8(in, out, in, out, 3, 0.02f, 0.01f, w, bias, -5, 4.0f, -128, 127, 0, &op));
        check("setup", xnn_setup_fully_connected_nc_qs8(op, 1, x, y, NULL));
    } else {
        check("create", xnn_create_convolution2d_nhwc_qc8(k / 2, k / 2, k / 2, k / 2, k, k, 1, 1, 1, 1, 1, in, out, in, out, 3, 0.02f, scale, w, bias, -5, 4.0f, -128, 127, 0, &op));
        check("setup", xnn_setup_convolution2d_nhwc_qc8(op, 1, side, side, x, y, NULL));
    }
    for (int i = 0; i < times; i++)
        check("run", xnn_run_operator(op, NULL));
    printf("%d\n", y[0]);
    return 0;
}
