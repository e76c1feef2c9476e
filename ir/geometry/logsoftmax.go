package geometry

import (
	"math"

	"github.com/dnnc/dnnc/ir"
)

// The bits after the point of the integers of a log softmax (R23): of its exponentials, and of logarithms.
const (
	ExpBits = 30
	LogBits = 24
)

// LogSoftmax is how far the result of a log softmax is below its zero point (R23): of the distance d from
// the row's maximum and the logarithm l of the row's sum, (d*Distance + l*Log/2^LogShift) / 2^Shift.
type LogSoftmax struct {
	Distance, Log   int32
	Shift, LogShift int32
	Zero            int32
}

// NewLogSoftmax is that of an argument of scaleX and a result of scaleY and zero point zeroY.
func NewLogSoftmax(scaleX, scaleY float64, zeroY int32) (p LogSoftmax, err error) {
	p.Zero = zeroY
	if p.Distance, p.Shift, err = MultiplierFor(scaleX / scaleY); err != nil {
		return p, err
	}
	p.Log, p.LogShift, err = MultiplierFor(math.Ldexp(math.Ln2/scaleY, int(p.Shift)-LogBits))
	return p, err
}

// LogSoftmaxOf reads the factors of a log softmax.
func LogSoftmaxOf(n *ir.Node) (p LogSoftmax, err error) {
	mul, shift, err := Factors(n)
	if err != nil {
		return p, err
	}
	return LogSoftmax{Distance: mul[0], Log: mul[1], Shift: shift[0], LogShift: shift[1], Zero: int32(n.Out.Type.Quant.Zero)}, nil
}

// Factors are the multipliers and shifts, as the operation's attributes have them.
func (p LogSoftmax) Factors() (mul, shift []int64) {
	return []int64{int64(p.Distance), int64(p.Log)}, []int64{int64(p.Shift), int64(p.LogShift)}
}

// Row is what the logarithm of a row's sum adds to all its distances, and the half that rounds.
func (p LogSoftmax) Row(log int64) int64 {
	return (log*int64(p.Log)+1<<p.LogShift>>1)>>p.LogShift + 1<<(p.Shift-1)
}
