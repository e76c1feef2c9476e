// Package kernels is the meaning of dnnc's operations: naive loops on slices
// that define every integer a shipped network computes. The interpreter's fast
// products, the generated code of every target and the single C file are held
// equal to it, bit for bit.
//
// The rules specify the value, never the order: an integer sum with a proven
// bound is the same in any order.
//
//	R1  Codes. Odd codes of b bits: W = 2q-(2^b-1), q in 0..2^b-1, the odd
//	    multiples of the scale. Two's complement of b bits, i2 to i7: W = 2q-2^b, the
//	    even multiples, 0 among them; with half of its scale, so that its kernels
//	    are those of odd codes with another offset. i8: W = q. Codebook: W = T[q]. Vector code: the
//	    d weights of a group, consecutive along the input channels of one tap,
//	    are row q of a codebook i8[2^b,d]. A weight is s_c*W with s_c > 0 finite,
//	    one an output channel.
//	R2  Dead channels. Odd codes have no 0: an all-zero channel alternates the
//	    two middle codes with a scale so small that the sum moves the output by
//	    less than half a step. A channel whose bias is so large beside its weights
//	    that its sum leaves the accumulator has a greater scale, at which its weights'
//	    codes change the output by at most a quarter of a step; a bias that takes
//	    every result out of i8 is cut off where it still does.
//	R3  Activations. i8: real = s*(x-z), z in -128..127, ranges widened to hold
//	    0. A declared input [lo,hi] has s = (hi-lo)/255. i16: z = 0, with twice the
//	    range that calibration saw; of an input s = max(-lo,hi)/32767, of softmax,
//	    sigmoid and tanh 2^-15.
//	R4  Convolution and linear: acc = bias + sum of W*(x-z), exact. A padded
//	    tap has x = z, or the padding value of its channel.
//	R5  The accumulator has 32 bits when |bias| + sum|W| * max|x-z| < 2^31 for
//	    every channel, from the actual weights; else 64.
//	R6  Requantization: RQ(a) = floor((a*m + 2^(r-1)) / 2^r), m in [2^30, 2^31)
//	    or 0, r in 1..62. round: even, the same with ties to even, as runtimes of ONNX
//	    round: the product of a and a float32 factor has no other error where the factor's
//	    24 bits are the upper bits of m.
//	R7  With 64-bit accumulators, of 47 bits at most, m' = (m+2^15)>>16, r' = r-16,
//	    same formula with ties up; r is in 17..62 and round: half_up.
//	R8  round: tflite, a saturating doubling high multiply, then a rounding
//	    shift, ties away from zero; round: twice is the same with ties up.
//	R9  Output: min(max(z_o + RQ(acc), lo), hi); relu and relu6 set lo and hi,
//	    which are else the ends of i8 or i16.
//	R10 m, r and biases are computed once, by the quantize pass, in float64.
//	R11 Average pool: RQ of the exact sum of x-z over the pixels inside the image,
//	    with the factor of their number, which has the division in it: one factor
//	    where every window has all its pixels, else one a number of pixels from 0 on.
//	    A network that was quantized elsewhere may have no factors: the sum of x is
//	    then divided by the number of pixels, ties away from zero, as TFLite's
//	    reference kernel does it, and the type stays.
//	R12 What moves elements or chooses among them keeps their type: max pool,
//	    reshape, copy, pad, concat, minimum, maximum, reductions to an extreme.
//	R13 Add and sub: each argument, shifted left by 20, of i16 by 15, is rescaled to twice the
//	    greater scale, and their sum or difference to the result's, by R6. That
//	    last factor is at most 1/2: else rescaling the arguments would cost more
//	    than half a step.
//	    A squared difference is the same with a shift of 7, and the square of the
//	    difference is rescaled. A scaled difference is the same with a shift of 14,
//	    and the product of the difference and the third argument is rescaled by a
//	    factor of at most 1/510.
//	    Mul: RQ of the product of differences from the zero points.
//	R14 Unary functions of i8 are tables of 256 entries: the nearest integers to
//	    the reals, ties away from zero. Of i16, tables T of 513 entries, one at every
//	    128th integer: T[i] + floor(((T[i+1]-T[i])*f + 64) / 128), i = 256+floor(x/128),
//	    f = x mod 128. Sigmoid and tanh of i16 are of the scale 2^-15 and take one table of
//	    256 entries, a sigmoid at every 24th: the argument is multiplied by m/2^r, m below
//	    2^15, rounded half up; the entries are 2^9 steps of it apart, of tanh 2^8; the
//	    results between them lie on straight lines, and negative ones mirror positive ones.
//	R15 Softmax: a table of exponentials by distance from the maximum, of 15 bits after the point,
//	    or as many as short rows leave where a model has integers of its own, and one rounded division; scale 1/256, zero point -128. Of another scale the sum is first
//	    multiplied by 256 times it, RQ, at least 1. Elements that a mask leaves out
//	    are 0 and change no other; so are all where it leaves out all. Of i16: distances,
//	    rescaled by R8 to 65535ths of 10, choose exponentials of 15 bits from a table as R14's;
//	    their sum chooses a reciprocal from another; products of both are shifted, half up.
//	    Scale 2^-15, zero point 0. Argmax takes the first maximum; its result is i8.
//	R16 Means, sums and products of computed matrices are RQ of an exact sum,
//	    a mean's factor having the division in it; of computed matrices of i16 by R7. Nothing
//	    else rounds but R19, R20, R24 and R25.
//	R19 Spectrogram, of samples of i16. Of each frame: e, the bits that its samples x take
//	    without their signs, 0..15; v = (x << (15-e)) * tap, of a window of 16 bits; pairs of v as
//	    complex numbers through stages of radix 4, first one of radix 2 where their number is no
//	    power of 4. A stage divides by its radix, which proves that 32 bits hold all: numbers by
//	    shifts, products with a root of unity, 1 of which is 2^30, by floor(p / 2^32) of each of
//	    the two real products of a part. The spectrum X of the v comes from that of the pairs, of which
//	    half is taken, by one more product; X has a quarter of the result. P = |X|^2 in 64 bits, or
//	    with power: 1 the root of P, of its upper 32 bits. A band is P of a bin, or the sum of
//	    w * floor(P / 2^12), power: 1 of w times the root, of weights w of 16 bits. S =
//	    max((band >> shift) + add, least) with the three numbers of level e. The result is RQ(S), S at
//	    most 2^31-1; or RQ(log2(S) + base), the logarithm having 16 bits after the point, from a
//	    table at every 64th between powers of two, by straight lines, half up.
//	R20 Recurrences. The hidden state h has 16 bits and the scale 2^-15, weights have 8
//	    bits and one scale a row. The sum of a gate is RQ(x-z) + RQ(b + sum of W*h), in units
//	    of 1/12288: the first factor is the argument's, all others have one shift; b is the bias
//	    of a GRU that resets after the product, else 0; both sums have 32 bits, from the actual
//	    weights. Gates are R14's sigmoid and tanh of i16, without its multiplier. With H(v) =
//	    floor((v + 2^14) / 2^15): an LSTM's cell, of 32 bits in units of 1/1572864, is
//	    c' = H(f*c + 48*i*g), within 1365 times 48*32767 on both sides; h' = H(o*tanh(c')), of
//	    floor((c' + 64) / 128) units. A GRU's candidate has the sum RQ(x-z) + H(r*u), u being
//	    RQ(b + sum of W*h), or RQ(x-z) + RQ(sum of W*H(r*h)); h' = H(z*h + (2^15-z)*n). The
//	    result is R9 of h'. With states h and c are those after the step before, with none 0. A place
//	    below 0 counts up by the steps of a run; a run up to 0 leaves h and c at 0.
//	R21 History moves frames: frame i of the result is frame i*apart-back of the argument.
//	    One before the argument's first is the zero point; or with states, what runs before
//	    had, of which a ring of as many frames as back and the argument have is kept. A place in
//	    the ring below 0 counts up, and the frame is left out.
//	R22 Bilinear: a pixel lies down/1024 of the way between two rows, across/1024 between two
//	    columns. It is the sum of the integers of the four pixels there, zero points and all,
//	    times (1024-down)*(1024-across), down*(1024-across), (1024-down)*across and down*across,
//	    divided by 2^20, ties up; with round: tflite away from zero, as TFLite's reference kernel
//	    of int8 and int16 rounds. The type stays.
//	R23 Log softmax of i8: a table has exponentials of 30 bits after the point by distance d from
//	    the maximum; l is the logarithm of their sum to the base 2, 24 bits after the point, cut
//	    off: each square of the sum's upper 32 bits says one bit. y = max(z - ((d*m + RQ(l) +
//	    2^(r-1)) >> r), -128), m and r as in R6, RQ having a factor and a shift of its own.
//	R24 L2 norm of i8: s is the sum of the squares of x-z, at most 2^31-1; n*2^-(31+k) is its inverse
//	    root by five steps of Newton's method in fixed point of three integer bits, as TFLite computes it.
//	    y = R9 of RQ(x-z) with the factor (n*m >> 31)*2^-(r+k), as in R6. With round: tflite the result
//	    has the scale 1/128 and the zero point 0, and y = clamp(RQ(x-z)) with the factor n*2^-(24+k), as in R8.
//	R25 An LSTM of TensorFlow Lite's integers (recurrent with cell: lstm8 or cifg8). Its hidden state h has 8 bits and
//	    is the result of a step; before the first step it is the result's zero point. Its cell c has 16 bits, cell_bits
//	    of them before the point, and begins with 0. RQ is R8, sat within 16 bits, D(v, n) is v/2^n, ties
//	    away from zero. The sum of a gate is sat(x + RQ(b + sum of W*h)), 12 bits after the point, without zero
//	    points: b has them. S and T are sigmoid and tanh in units of 2^-15. c' = sat(D(f*c, 15) + D(i*g, 15+cell_bits)),
//	    i being 2^15-1-f of cifg8, within cell_clip on both sides. What is made is RQ(o*T(c')) plus a zero point, within
//	    -128..127. The result is that, or with project RQ(b + sum of P*made) plus its zero point, within lo and hi.
//	    With H of R20, S(x) = sat(2*I(-8|x|)) and T(x) = sat(4*(I(-2^(n+1)*|x|) - 2^13)), n the bits before the point
//	    of x. S of a negative x is 2^15-1-S(|x|), T is -T(|x|); S(0) = 2^14, T(0) = 0. I(e) is 2^14/(1+exp(e/2^15)): a = e mod 2^13 -
//	    2^13, y = a + 2^12, y2 = H(y*y), s = D(H((D(H(y2*y2), 2) + H(y2*y))*10923) + y2, 1), p = sat(28918 + H((y+s)*28918));
//	    for each set bit k of (a-e)/2^13, p = H(p*E[k]), E = 25520, 19875, 12055, 4435, 600, 11, then 0; d = floor((p + 2^15)/2),
//	    r = 23130 + H(-15420*d), and three times r + sat(4*H(r*(2^13 - H(d*r)))). These are the numbers of gemmlowp, of 16 bits.
package kernels
