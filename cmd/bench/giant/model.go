// Package giant writes networks for images of 224 x 224 as models of ONNX: ResNet-50, MobileNetV2, VGG-16,
// EfficientNet-B0 and ViT-Tiny, in the operations that PyTorch exports. Their weights are random, of the
// variance that keeps activations alike, and the same in each run.
package giant

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of fields and types in ONNX's messages.
const (
	modelVersion, modelProducer, modelGraph, modelOpset = 1, 2, 7, 8
	graphNode, graphName, graphConst, graphIn, graphOut = 1, 2, 5, 11, 12
	nodeIn, nodeOut, nodeName, nodeOp, nodeAttr         = 1, 2, 3, 4, 5
	attrName, attrFloat, attrInt, attrInts, attrType    = 1, 2, 3, 8, 20
	tensorDims, tensorType, tensorName, tensorData      = 1, 2, 8, 9
	typeFloat, typeInt64                                = 1, 7
	attrIsFloat, attrIsInt, attrIsInts                  = 1, 2, 7
	opset, irVersion                                    = 20, 9
)

// message is the fields of one.
type message []byte

func (m *message) number(field protowire.Number, v int) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) bytes(field protowire.Number, v []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

func (m *message) text(field protowire.Number, v string) { m.bytes(field, []byte(v)) }

// value is the name of a tensor and its shape without the batch.
type value struct {
	name  string
	shape []int
}

// graph is a model under construction.
type graph struct {
	m     message
	count int
	rng   *rand.Rand
}

// attr is an attribute: an int, a float64 or a list of ints.
type attr struct {
	name  string
	value any
}

func (g *graph) fresh(op string) string {
	g.count++
	return fmt.Sprintf("/%s_%d", op, g.count)
}

// node appends an operation and returns its result, of a shape that the caller knows.
func (g *graph) node(op string, shape []int, args []string, attrs ...attr) value {
	name := g.fresh(op)
	var n message
	for _, a := range args {
		n.text(nodeIn, a)
	}
	n.text(nodeOut, name+"_output")
	n.text(nodeName, name)
	n.text(nodeOp, op)
	for _, a := range attrs {
		var m message
		m.text(attrName, a.name)
		switch v := a.value.(type) {
		case int:
			m.number(attrInt, v)
			m.number(attrType, attrIsInt)
		case float64:
			m = protowire.AppendFixed32(protowire.AppendTag(m, attrFloat, protowire.Fixed32Type), math.Float32bits(float32(v)))
			m.number(attrType, attrIsFloat)
		case []int:
			for _, i := range v {
				m.number(attrInts, i)
			}
			m.number(attrType, attrIsInts)
		}
		n.bytes(nodeAttr, m)
	}
	g.m.bytes(graphNode, n)
	return value{name + "_output", shape}
}

// constant appends a tensor of a type, of so many bytes as data has, and returns its name.
func (g *graph) constant(typ int, shape []int, data []byte) string {
	name := g.fresh("const")
	var t message
	for _, d := range shape {
		t.number(tensorDims, d)
	}
	t.number(tensorType, typ)
	t.text(tensorName, name)
	t.bytes(tensorData, data)
	g.m.bytes(graphConst, t)
	return name
}

// floats is a tensor whose elements draw gives.
func (g *graph) floats(shape []int, draw func() float64) string {
	size := 1
	for _, d := range shape {
		size *= d
	}
	data := make([]byte, 0, 4*size)
	for range size {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(draw())))
	}
	return g.constant(typeFloat, shape, data)
}

func (g *graph) ints(list ...int) string {
	var data []byte
	for _, v := range list {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return g.constant(typeInt64, []int{len(list)}, data)
}

// normal draws from a normal distribution, uniform from an interval.
func (g *graph) normal(mean, sigma float64) func() float64 {
	return func() float64 { return mean + sigma*g.rng.NormFloat64() }
}

func (g *graph) uniform(lo, hi float64) func() float64 {
	return func() float64 { return lo + (hi-lo)*g.rng.Float64() }
}

// scalar is a tensor of one element without dimensions.
func (g *graph) scalar(v float64) string {
	return g.floats(nil, func() float64 { return v })
}

// info declares an input or a result of float32.
func info(v value) message {
	var shape, tensor, typ, m message
	for _, d := range v.shape {
		var dim message
		dim.number(1, d)
		shape.bytes(1, dim)
	}
	tensor.number(1, typeFloat)
	tensor.bytes(2, shape)
	typ.bytes(1, tensor)
	m.text(1, v.name)
	m.bytes(2, typ)
	return m
}

// Write is a network by its name as the bytes of an .onnx file.
func Write(name string) ([]byte, error) {
	build := networks[name]
	if build == nil {
		return nil, fmt.Errorf("no network %q", name)
	}
	g := &graph{rng: rand.New(rand.NewPCG(1, 224))}
	image := value{"image", []int{1, 3, 224, 224}}
	out := build(g, image)
	g.m.text(graphName, name)
	g.m.bytes(graphIn, info(image))
	g.m.bytes(graphOut, info(out))
	var m, set message
	m.number(modelVersion, irVersion)
	m.text(modelProducer, "dnnc bench")
	m.bytes(modelGraph, g.m)
	set.number(2, opset)
	m.bytes(modelOpset, set)
	return m, nil
}
