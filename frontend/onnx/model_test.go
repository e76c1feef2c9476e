package onnx

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
)

// model writes a model, node by node, as an exporter does.
type model struct{ pb.Model }

func newModel(opset int64) *model {
	m := &model{}
	m.IrVersion = proto.Int64(8)
	m.OpsetImport = []*pb.OperatorSet{{Version: &opset}}
	m.Graph = &pb.Graph{Name: proto.String("g")}
	return m
}

func info(name string, dims []int64) *pb.ValueInfo {
	s := &pb.Shape{}
	for _, d := range dims {
		dim := &pb.Dimension{DimValue: proto.Int64(d)}
		if d < 0 {
			dim = &pb.Dimension{DimParam: proto.String("N")}
		}
		s.Dim = append(s.Dim, dim)
	}
	return &pb.ValueInfo{Name: &name, Type: &pb.Type{TensorType: &pb.TensorType{ElemType: proto.Int32(1), Shape: s}}}
}

// input declares an input; -1 is a size that the file leaves open.
func (m *model) input(name string, dims ...int64) *model {
	m.Graph.Input = append(m.Graph.Input, info(name, dims))
	return m
}

func (m *model) output(names ...string) *model {
	for _, n := range names {
		m.Graph.Output = append(m.Graph.Output, info(n, nil))
	}
	return m
}

// floats adds an initializer.
func (m *model) floats(name string, dims []int64, x ...float32) *model {
	var raw []byte
	for _, v := range x {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	m.Graph.Initializer = append(m.Graph.Initializer, &pb.Tensor{Name: &name, Dims: dims, DataType: proto.Int32(1), RawData: raw})
	return m
}

// ints adds an int64 initializer.
func (m *model) ints(name string, x ...int64) *model {
	m.Graph.Initializer = append(m.Graph.Initializer, &pb.Tensor{Name: &name, Dims: []int64{int64(len(x))}, DataType: proto.Int32(7), Int64Data: x})
	return m
}

// ramp are n small numbers, all different.
func ramp(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%13-6)/16 + float32(i)/1024
	}
	return x
}

// node appends an operation; attributes are int, []int64, float32, []float32,
// string, []string or a tensor.
func (m *model) node(op, name string, in, out []string, attrs ...any) *model {
	n := &pb.Node{OpType: &op, Name: &name, Input: in, Output: out}
	for i := 0; i < len(attrs); i += 2 {
		a := &pb.Attribute{Name: proto.String(attrs[i].(string))}
		switch v := attrs[i+1].(type) {
		case int:
			a.I = proto.Int64(int64(v))
		case []int64:
			a.Ints = v
		case float32:
			a.F = &v
		case []float32:
			a.Floats = v
		case string:
			a.S = []byte(v)
		case []string:
			for _, s := range v {
				a.Strings = append(a.Strings, []byte(s))
			}
		case *pb.Tensor:
			a.T = v
		case *pb.Graph:
			a.G = v
		}
		n.Attribute = append(n.Attribute, a)
	}
	m.Graph.Node = append(m.Graph.Node, n)
	return m
}

func (m *model) bytes() []byte {
	raw, err := proto.Marshal(&m.Model)
	if err != nil {
		panic(err)
	}
	return raw
}

// list is several names.
func list(names ...string) []string { return names }
