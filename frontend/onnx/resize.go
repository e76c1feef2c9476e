package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// resampling says how a Resize places and weighs elements.
type resampling struct {
	mode, transform, rounding string
	cubic                     float64 // the number a of cubic weights
	isExclusive, isSmoothed   bool    // exclude_outside, antialias
}

// axisScale is a resizing of one axis.
type axisScale struct {
	axis, from, to int
	scale          float64
}

// resizing reads the attributes of Resize and Upsample.
func (im *importer) resizing(n *pb.Node) (r resampling, err error) {
	r = resampling{mode: textAttr(n, "mode", "nearest"), transform: "asymmetric", rounding: "floor", cubic: floatAttr(n, "cubic_coeff_a", -.75)}
	if n.GetOpType() == "Resize" && im.opset >= 11 {
		r.transform, r.rounding = textAttr(n, "coordinate_transformation_mode", "half_pixel"), textAttr(n, "nearest_mode", "round_prefer_floor")
		r.isExclusive, r.isSmoothed = intAttr(n, "exclude_outside", 0) != 0, intAttr(n, "antialias", 0) != 0
	}
	if !slices.Contains([]string{"nearest", "linear", "cubic"}, r.mode) {
		return r, fmt.Errorf("in mode %q", r.mode)
	}
	if !slices.Contains([]string{"half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners"}, r.transform) {
		return r, fmt.Errorf("with the coordinate_transformation_mode %q", r.transform)
	}
	if !slices.Contains([]string{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}, r.rounding) {
		return r, fmt.Errorf("with the nearest_mode %q", r.rounding)
	}
	return r, nil
}

// axisScales reads which axes are resized, by factors or to sizes.
func (im *importer) axisScales(n *pb.Node, in []*operand) ([]axisScale, error) {
	shape := in[0].shape
	axes := intsAttr(n, "axes")
	if axes == nil {
		for k := range shape {
			axes = append(axes, k)
		}
	}
	at := 1
	if n.GetOpType() == "Resize" && im.opset >= 11 {
		at = 2
	}
	var factors []float64
	var sizes []int
	if a := attr(n, "scales"); a != nil {
		for _, f := range a.Floats {
			factors = append(factors, float64(f))
		}
	} else if t, err := constant(in, at, "scales"); err != nil {
		return nil, err
	} else if t != nil && t.size() > 0 {
		if t.size() > len(shape) {
			return nil, fmt.Errorf("by %d factors of %d axes", t.size(), len(shape))
		}
		if factors, err = t.numbers(); err != nil {
			return nil, err
		}
	} else if t, err := constant(in, 3, "sizes"); err != nil {
		return nil, err
	} else if t != nil {
		if sizes, err = t.smallInts(); err != nil {
			return nil, err
		}
	}
	if len(factors) != len(axes) && len(sizes) != len(axes) || len(axes) > len(shape) {
		return nil, fmt.Errorf("by the factors %v or to the sizes %v of the axes %v of %v", factors, sizes, axes, shape)
	}
	var list []axisScale
	seen := map[int]bool{}
	for i, a := range axes {
		k, err := build.Axis(a, len(shape))
		if err != nil {
			return nil, err
		}
		if seen[k] {
			return nil, fmt.Errorf("has the axis %d twice", k)
		}
		seen[k] = true
		s := axisScale{axis: k, from: shape[k]}
		if len(factors) > 0 {
			s.scale = factors[i]
			s.to = int(math.Floor(min(s.scale*float64(s.from), ir.MaxElements)))
		} else {
			s.to, s.scale = sizes[i], float64(sizes[i])/float64(s.from)
		}
		list = append(list, s)
	}
	if err := keepRatio(n, list, len(sizes) > 0); err != nil {
		return nil, err
	}
	for _, s := range list {
		if s.to < 1 || !(s.scale > 0) || s.to > 1<<20 {
			return nil, fmt.Errorf("of %v by the factors %v or to the sizes %v", shape, factors, sizes)
		}
	}
	return list, nil
}

// keepRatio makes the factors of all axes the least or greatest one, where the model asks
// for it.
func keepRatio(n *pb.Node, list []axisScale, isSized bool) error {
	policy := textAttr(n, "keep_aspect_ratio_policy", "stretch")
	if policy == "stretch" || !isSized || len(list) == 0 {
		return nil
	}
	best := list[0].scale
	for _, s := range list {
		switch policy {
		case "not_larger":
			best = min(best, s.scale)
		case "not_smaller":
			best = max(best, s.scale)
		default:
			return fmt.Errorf("with the keep_aspect_ratio_policy %q", policy)
		}
	}
	for i := range list {
		list[i].scale, list[i].to = best, int(math.Floor(best*float64(list[i].from)+.5))
	}
	return nil
}

// place is where an element of the result lies among those of the argument.
func (r resampling) place(s axisScale, k int) float64 {
	// As onnxruntime: in float32, so that whole places stay whole.
	scale, x := float32(s.scale), float32(k)
	length := float32(s.scale * float64(s.from))
	switch r.transform {
	case "align_corners":
		if length == 1 {
			return 0
		}
		return float64(x * float32(s.from-1) / (length - 1))
	case "asymmetric":
		return float64(x / scale)
	case "pytorch_half_pixel":
		if length == 1 {
			return -.5
		}
	case "half_pixel_symmetric":
		offset := float32(s.from) / 2 * (1 - float32(s.to)/length)
		return float64(offset + (x+.5)/scale - .5)
	}
	return float64((x+.5)/scale - .5)
}

// nearest is the element that one of the result is.
func (r resampling) nearest(s axisScale, k int) int {
	x := r.place(s, k)
	switch r.rounding {
	case "floor":
		x = math.Floor(x)
	case "ceil":
		x = math.Ceil(x)
	case "round_prefer_ceil":
		x = math.Floor(x + .5)
	default:
		x = math.Ceil(x - .5)
	}
	return min(max(int(x), 0), s.from-1)
}

// weights are the weights of all elements of the argument in one of the result.
func (r resampling) weights(s axisScale, k int) []float64 {
	x := r.place(s, k)
	floor := math.Floor(x)
	stretch, reach := 1., 1
	if r.mode == "cubic" {
		reach = 2
	}
	if r.isSmoothed {
		stretch = min(s.scale, 1)
	}
	kernel := func(d float64) float64 {
		d = math.Abs(d)
		a := r.cubic
		switch {
		case r.mode == "linear":
			return max(1-d, 0)
		case d <= 1:
			return ((a+2)*d-(a+3))*d*d + 1
		case d < 2:
			return ((a*d-5*a)*d+8*a)*d - 4*a
		}
		return 0
	}
	first := int(math.Floor(-float64(reach)/stretch)) + 1
	out, sum := make([]float64, s.from), 0.
	for i := first; i < 2-first+reach; i++ {
		at := int(floor) + i
		w := kernel((float64(at) - x) * stretch)
		if r.isExclusive && (at < 0 || at >= s.from) {
			continue
		}
		sum += w
		out[min(max(at, 0), s.from-1)] += w
	}
	if (r.isExclusive || r.isSmoothed) && sum != 0 {
		for i := range out {
			out[i] /= sum
		}
	}
	return out
}

// resize imports Resize and Upsample, one axis after the other: elements are repeated or
// left out where the nearest one is taken, and weighed by a constant matrix else. Images
// that grow by whole factors have operations of their own.
func resize(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	r, err := im.resizing(n)
	if err != nil {
		return nil, err
	}
	all, err := im.axisScales(n, in)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(all, func(s axisScale) bool { return r.isIdentity(s) })
	if len(list) == 0 {
		return []*operand{in[0]}, nil
	}
	if outs, err := im.resizedImage(n, in[0], r, list); outs != nil || err != nil {
		return outs, err
	}
	if outs, err := im.between(n, in[0], r, list); outs != nil || err != nil {
		return outs, err
	}
	c, x := im.compose(n), in[0]
	for i, s := range list {
		role := fmt.Sprint("axis", s.axis)
		if i == len(list)-1 {
			role = ""
		}
		if r.mode == "nearest" {
			at := make([]int, s.to)
			for k := range at {
				at[k] = r.nearest(s, k)
			}
			x = c.pick(role, x, s.axis, at)
			continue
		}
		x = c.weighed(role, x, r, s)
	}
	return c.result(x)
}

// isIdentity reports whether an axis stays as it is.
func (r resampling) isIdentity(s axisScale) bool {
	if s.from != s.to {
		return false
	}
	for k := range s.to {
		if r.mode == "nearest" {
			if r.nearest(s, k) != k {
				return false
			}
		} else if w := r.weights(s, k); w[k] != 1 {
			return false
		}
	}
	return true
}

// weighed resizes an axis by the matrix of its weights, which keep 8 bits.
func (c *composer) weighed(role string, x *operand, r resampling, s axisScale) *operand {
	if c.err != nil {
		return nil
	}
	if c.err = c.im.room(s.to * s.from); c.err != nil {
		return nil
	}
	var m []float64
	for k := range s.to {
		m = append(m, r.weights(s, k)...)
	}
	t := newTensor(float32Type, []int{s.to, s.from}, m)
	t.isFixed = true
	shape := slices.Clone(x.shape)
	shape[s.axis] = s.to
	outer, inner := build.Product(shape[:s.axis]), build.Product(shape[s.axis+1:])
	w := &operand{c: t, shape: t.shape}
	if inner == 1 {
		return c.reshape(role, c.binary("MatMul", role, c.reshape(role+".rows", x, []int{outer, s.from}), c.transpose(role, w, 1, 0)), shape)
	}
	return c.reshape(role, c.binary("MatMul", role, w, c.reshape(role+".rows", x, []int{outer, s.from, inner})), shape)
}

// between is an image of which pixels lie between those of another at any places; nil where it
// is none.
func (im *importer) between(n *pb.Node, o *operand, r resampling, list []axisScale) ([]*operand, error) {
	if r.mode != "linear" || r.isExclusive || r.isSmoothed || len(o.shape) != 3 && len(o.shape) != 4 || o.shape[0] != 1 {
		return nil, nil
	}
	var places [2][]float64
	for i := range places {
		s := axisScale{axis: len(o.shape) - 2 + i, from: 1, to: 1}
		if s.axis > 1 { // a signal has one row
			s.from, s.to = o.shape[s.axis], o.shape[s.axis]
		}
		places[i] = make([]float64, s.to)
		for k := range places[i] {
			places[i][k] = float64(k)
		}
	}
	for _, s := range list {
		if s.axis < 2 {
			return nil, nil
		}
		at := make([]float64, s.to)
		for k := range at {
			at[k] = min(max(r.place(s, k), 0), float64(s.from-1))
		}
		places[2-len(o.shape)+s.axis] = at
	}
	v, spatial, err := im.image(o)
	if err != nil {
		return nil, err
	}
	y, err := im.Add(ir.Bilinear, moduleName(n), []*ir.Value{v}, ir.AttrDown.Is(places[0]), ir.AttrAcross.Is(places[1]))
	if err != nil {
		return nil, err
	}
	return result(y, imageShape(y, spatial)), nil
}

// maxFactor is the greatest factor of images that grow by operations of their own.
const maxFactor = 64

// resizedImage is an image that grows by whole factors: each pixel repeated, or a mean of
// neighbours; nil where it is none.
func (im *importer) resizedImage(n *pb.Node, o *operand, r resampling, list []axisScale) ([]*operand, error) {
	if len(o.shape) != 3 && len(o.shape) != 4 || o.shape[0] != 1 {
		return nil, nil
	}
	factors := []int{1, 1}
	for _, s := range list {
		f := s.to / s.from
		if s.axis < 2 || f*s.from != s.to || f > maxFactor || s.scale != float64(f) {
			return nil, nil
		}
		factors[2-len(o.shape)+s.axis] = f
		for k := range s.to {
			if r.mode == "nearest" && r.nearest(s, k) != k/f {
				return nil, nil
			}
		}
	}
	v, spatial, err := im.image(o)
	if err != nil {
		return nil, err
	}
	var y *ir.Value
	switch isHalf := r.transform != "asymmetric"; {
	case r.mode == "nearest":
		y, err = im.Add(ir.Resize, moduleName(n), []*ir.Value{v}, ir.AttrScale.Is(factors))
	case r.mode == "linear" && r.transform != "align_corners" && !r.isExclusive:
		y, err = im.Bilinear(moduleName(n), v, factors, isHalf)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return result(y, imageShape(y, spatial)), nil
}

// hardmax is 1 at the first greatest element along an axis, else 0: the rows of a matrix
// of ones on its diagonal.
func hardmax(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	shape := in[0].shape
	absent := -1
	if im.opset < 13 {
		absent = 1
	}
	axis, err := build.Axis(intAttr(n, "axis", absent), len(shape))
	if err != nil {
		return nil, err
	}
	x := in[0]
	c := im.compose(n)
	rows := shape
	if im.opset < 13 { // axes from this one on count as one
		rows = []int{build.Product(shape[:axis]), build.Product(shape[axis:])}
		x, axis = c.reshape("rows", x, rows), 1
	}
	size := rows[axis]
	if err := im.room(size * size); err != nil {
		return nil, err
	}
	last := build.MoveAxis(len(rows), axis, len(rows)-1)
	x = c.transpose("turned", x, last...)
	places := c.do("ArgMax", "place", []*operand{x}, setting{"axis", len(rows) - 1}, setting{"keepdims", 0})
	one := make([]float64, size*size)
	for k := range size {
		one[k*(size+1)] = 1
	}
	if c.err != nil {
		return nil, c.err
	}
	y := c.do("Gather", "", []*operand{{c: newTensor(float32Type, []int{size, size}, one), shape: []int{size, size}}, places})
	y = c.transpose("back", y, build.MoveAxis(len(rows), len(rows)-1, axis)...)
	return c.result(c.reshape("own", y, shape))
}
