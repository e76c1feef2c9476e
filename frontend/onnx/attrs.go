package onnx

import (
	"errors"
	"fmt"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
)

func attr(n *pb.Node, name string) *pb.Attribute {
	for _, a := range n.Attribute {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

func intAttr(n *pb.Node, name string, absent int) int {
	if a := attr(n, name); a != nil && a.I != nil {
		return int(a.GetI())
	}
	return absent
}

func floatAttr(n *pb.Node, name string, absent float64) float64 {
	if a := attr(n, name); a != nil && a.F != nil {
		return float64(a.GetF())
	}
	return absent
}

func textAttr(n *pb.Node, name, absent string) string {
	if a := attr(n, name); a != nil && a.S != nil {
		return string(a.S)
	}
	return absent
}

func intsAttr(n *pb.Node, name string) []int {
	a := attr(n, name)
	if a == nil {
		return nil
	}
	out := make([]int, len(a.Ints))
	for i, v := range a.Ints {
		out[i] = int(v)
	}
	return out
}

// intsOf is a list that is an attribute in older opsets and argument i in newer
// ones; nil when absent.
func intsOf(n *pb.Node, in []*operand, name string, i int) ([]int, error) {
	if a := attr(n, name); a != nil {
		return intsAttr(n, name), nil
	}
	if i >= len(in) || in[i] == nil {
		return nil, nil
	}
	if in[i].c == nil {
		return nil, fmt.Errorf("has its %s computed in the network", name)
	}
	return in[i].c.smallInts()
}

// maxList bounds the lists that shapes and axes are.
const maxList = 1 << 12

// smallInts are the integers of a short tensor.
func (t *tensor) smallInts() ([]int, error) {
	if t.size() > maxList {
		return nil, errors.New("has a long tensor where a list of dimensions belongs")
	}
	x, err := t.ints()
	out := make([]int, len(x))
	for i, v := range x {
		out[i] = int(v)
	}
	return out, err
}

func axesOf(axes []int, rank int) ([]bool, error) {
	set := make([]bool, rank)
	for _, a := range axes {
		k, err := build.Axis(a, rank)
		if err != nil {
			return nil, err
		}
		set[k] = true
	}
	return set, nil
}
