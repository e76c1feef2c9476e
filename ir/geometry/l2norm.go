package geometry

// The constants of an inverse root in fixed point of three integer bits (R24).
const (
	RootShift     = 11 // of arguments of which the highest bit is bit 27 or 28
	RootSteps     = 5
	ThreeHalves   = 1<<28 + 1<<27
	HalfRootOfTwo = 1518500250 // sqrt(1/2) * 2^31
)

// L2NormShift is the shift of an inverse root for a result of scale 1/128.
const L2NormShift = 24
