package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
)

// What is written out in place of a call or a branch: nodes, and one in the other.
const (
	maxInlined = maxMessages
	maxDepth   = 16
)

// uses notes which values a node reads, and which it makes.
func (im *importer) uses(n *pb.Node) {
	for _, name := range n.Output {
		im.makers[name] = n
	}
	for _, name := range read(n) {
		im.users[name] = append(im.users[name], n)
	}
}

// functionOf is the function of the model that a node calls, or nil.
func (im *importer) functionOf(n *pb.Node) *pb.Function {
	for _, f := range im.f.model.Functions {
		if f.GetName() == n.GetOpType() && f.GetDomain() == n.GetDomain() && f.GetOverload() == n.GetOverload() {
			return f
		}
	}
	return nil
}

// scope are the names of a part that is written out: what they are in the whole graph.
type scope struct {
	im    *importer
	n     *pb.Node // the call
	names map[string]string
}

// own is a name of the whole graph for one that the part defines.
func (s *scope) own(name string) string {
	if name == "" {
		return ""
	}
	out := fmt.Sprintf("%s\x00%d", name, s.im.inlined)
	s.names[name] = out
	return out
}

// name is what a name of the part is in the whole graph: it may be from outside.
func (s *scope) name(name string) string {
	if own, ok := s.names[name]; ok {
		return own
	}
	return name
}

// write imports nodes, with the attributes of a call where they refer to them, and returns
// what the names of the results stand for.
func (s *scope) write(nodes []*pb.Node, results []string, attrs map[string]*pb.Attribute) ([]*operand, error) {
	im := s.im
	if im.depth >= maxDepth {
		return nil, fmt.Errorf("is a call in a call, %d deep", maxDepth)
	}
	if im.inlined+len(nodes) >= maxInlined {
		return nil, fmt.Errorf("is one of calls and branches of more than %d nodes", maxInlined)
	}
	im.inlined++
	var list []*pb.Node
	for _, n := range nodes {
		for _, o := range n.Output {
			if o != "" && s.names[o] != "" {
				return nil, fmt.Errorf("defines %q twice", o)
			}
			s.own(o)
		}
	}
	for _, n := range nodes {
		im.inlined++
		c := &pb.Node{OpType: n.OpType, Domain: n.Domain, Overload: n.Overload, Name: proto.String(moduleName(s.n) + "/" + n.GetName())}
		for _, name := range n.Input {
			c.Input = append(c.Input, s.name(name))
		}
		for _, name := range n.Output {
			c.Output = append(c.Output, s.name(name))
		}
		for _, a := range n.Attribute {
			switch {
			case a.GetRefAttrName() != "":
				if from := attrs[a.GetRefAttrName()]; from != nil {
					own := proto.Clone(from).(*pb.Attribute)
					own.Name = a.Name
					c.Attribute = append(c.Attribute, own)
				}
			case a.G != nil:
				c.Attribute = append(c.Attribute, &pb.Attribute{Name: a.Name, G: s.graph(a.G, attrs)})
			default:
				c.Attribute = append(c.Attribute, a)
			}
		}
		list = append(list, c)
		im.uses(c)
	}
	for _, r := range results {
		im.results[s.name(r)] = true
	}
	im.depth++
	im.nodes(list)
	im.depth--
	outs := make([]*operand, len(results))
	for i, r := range results {
		o, known := im.values[s.name(r)]
		switch {
		case r == "":
		case !known:
			return nil, fmt.Errorf("returns %q, which nothing defines", r)
		case o == nil:
			return nil, build.ErrSkipped
		default:
			outs[i] = o
		}
	}
	return outs, nil
}

// graph is a graph in an attribute with the names of the whole graph for what it takes
// from the part, and the attributes of the call where it refers to them. Names that it
// defines itself hide those of the part.
func (s *scope) graph(g *pb.Graph, attrs map[string]*pb.Attribute) *pb.Graph {
	out := proto.Clone(g).(*pb.Graph)
	s.im.inlined += len(out.Node)
	own := &scope{im: s.im, n: s.n, names: map[string]string{}}
	hidden := map[string]bool{}
	for _, t := range out.Initializer {
		hidden[t.GetName()] = true
	}
	for _, n := range out.Node {
		for _, o := range n.Output {
			hidden[o] = true
		}
	}
	for from, to := range s.names {
		if !hidden[from] {
			own.names[from] = to
		}
	}
	for _, n := range out.Node {
		for i, name := range n.Input {
			n.Input[i] = own.name(name)
		}
		kept := n.Attribute[:0]
		for _, a := range n.Attribute {
			if a.GetRefAttrName() != "" {
				from := attrs[a.GetRefAttrName()]
				if from == nil {
					continue
				}
				next := proto.Clone(from).(*pb.Attribute)
				next.Name = a.Name
				a = next
			} else if a.G != nil {
				a.G = own.graph(a.G, attrs)
			}
			kept = append(kept, a)
		}
		n.Attribute = kept
	}
	for _, o := range out.Output {
		o.Name = proto.String(own.name(o.GetName()))
	}
	return out
}

// call writes a function of the model out where it is called.
func (im *importer) call(f *pb.Function, n *pb.Node, _ []*operand) ([]*operand, error) {
	if len(n.Input) > len(f.Input) || len(n.Output) > len(f.Output) {
		return nil, fmt.Errorf("has %d arguments and %d results, the function of the model %d and %d", len(n.Input), len(n.Output), len(f.Input), len(f.Output))
	}
	attrs := map[string]*pb.Attribute{}
	for _, a := range f.AttributeProto {
		attrs[a.GetName()] = a
	}
	for _, a := range n.Attribute {
		attrs[a.GetName()] = a
	}
	s := &scope{im: im, n: n, names: map[string]string{}}
	for i, name := range f.Input {
		s.names[name] = ""
		if i < len(n.Input) {
			s.names[name] = n.Input[i]
		}
	}
	opset := im.opset
	for _, o := range f.OpsetImport {
		if o.GetDomain() == "" || o.GetDomain() == "ai.onnx" {
			im.opset = int(o.GetVersion())
		}
	}
	defer func() { im.opset = opset }()
	if im.opset < oldestOpset || im.opset > newestOpset {
		return nil, fmt.Errorf("is a function of opset %d; opsets %d to %d can be imported", im.opset, oldestOpset, newestOpset)
	}
	return s.write(f.Node, f.Output[:len(n.Output)], attrs)
}

// conditional writes the branch of a constant condition out.
func conditional(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if len(in) < 1 || in[0] == nil {
		return nil, errors.New("has no condition")
	}
	if in[0].c == nil {
		return nil, errors.New("has a condition that the network computes: only one that shapes or constants decide can be imported; a Where of both results computes both branches")
	}
	x, ok := oneNumber(in[0].c)
	if !ok {
		return nil, fmt.Errorf("has a condition of shape %v", in[0].shape)
	}
	branch := "then_branch"
	if x == 0 {
		branch = "else_branch"
	}
	a := attr(n, branch)
	if a == nil || a.G == nil {
		return nil, fmt.Errorf("has no %s, or one nested deeper than %d graphs", branch, maxNested)
	}
	s := &scope{im: im, n: n, names: map[string]string{}}
	im.inlined++
	for _, t := range a.G.Initializer {
		c, err := im.f.tensor(t, im.folder)
		if err == nil {
			err = c.checkNumbers()
		}
		if err != nil {
			return nil, err
		}
		im.values[s.own(c.name)] = &operand{c: c, shape: c.shape}
	}
	var results []string
	for _, o := range a.G.Output {
		results = append(results, o.GetName())
	}
	if len(results) < len(n.Output) {
		return nil, fmt.Errorf("has %d results, its %s %d", len(n.Output), branch, len(results))
	}
	return s.write(a.G.Node, results[:len(n.Output)], nil)
}
