package onnx

import (
	"errors"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/runtime/input"
)

// What a file may claim beside its tensors' data: bytes, and messages.
const (
	maxSkeleton = 8 << 20
	maxMessages = 1 << 17
)

// cutBytes is the data above which they stay in the file.
const cutBytes = 256

// message lists the fields of a message that are kept, by number: nil as they
// are, else messages in turn. Fields of cut are data.
type message struct {
	fields map[protowire.Number]*message
	cut    []protowire.Number
}

func fields(sub map[protowire.Number]*message, plain ...protowire.Number) *message {
	m := &message{fields: sub}
	if sub == nil {
		m.fields = map[protowire.Number]*message{}
	}
	for _, n := range plain {
		m.fields[n] = nil
	}
	return m
}

type sub = map[protowire.Number]*message

// maxNested bounds the graphs in attributes of nodes of graphs: what is nested deeper is
// not read.
const maxNested = 4

// The fields of pb/onnx.proto.
var (
	entry     = fields(nil, 1, 2)
	tensorMsg = &message{
		fields: fields(sub{13: entry}, 1, 2, 4, 5, 7, 8, 9, 10, 11, 14).fields,
		// float_data and double_data, when packed, are the same bytes as raw_data.
		cut: []protowire.Number{9, 4, 10},
	}
	dimension = fields(nil, 1, 2)
	typeMsg   = fields(sub{1: fields(sub{2: fields(sub{1: dimension})}, 1)})
	valueInfo = fields(sub{2: typeMsg}, 1)
	calledMsg = fields(sub{7: node(0), 9: entry, 11: attribute(0)}, 1, 4, 5, 6, 10, 13)
	modelMsg  = fields(sub{7: graph(0), 8: entry, 25: calledMsg}, 1)
)

func graph(depth int) *message {
	return fields(sub{1: node(depth), 5: tensorMsg, 11: valueInfo, 12: valueInfo}, 2)
}

func node(depth int) *message {
	return fields(sub{5: attribute(depth), 9: entry}, 1, 2, 3, 4, 7, 8)
}

func attribute(depth int) *message {
	m := fields(sub{5: tensorMsg}, 1, 2, 3, 4, 7, 8, 9, 21)
	if depth < maxNested {
		m.fields[6] = graph(depth + 1)
	}
	return m
}

// file is a model whose large data stay where they lie.
type file struct {
	raw   []byte
	model *pb.Model
}

// open maps a file into memory and reads its messages.
func open(path string) (*file, error) {
	raw, err := input.Map(path)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, err
	}
	return parse(raw)
}

// parse reads the bytes of a file.
func parse(raw []byte) (*file, error) {
	s := &skeleton{base: raw}
	out, err := s.message(nil, modelMsg, 0, len(raw))
	if err != nil {
		return nil, fmt.Errorf("no ONNX file, or damaged: %w", err)
	}
	f := &file{raw: raw, model: &pb.Model{}}
	if err := proto.Unmarshal(out, f.model); err != nil {
		return nil, fmt.Errorf("no ONNX file, or damaged: %w", err)
	}
	if f.model.GetGraph() == nil {
		return nil, errors.New("no ONNX file: it has no graph")
	}
	return f, nil
}

// skeleton copies a message without what the importer does not read, and without
// large data, of which it keeps the places.
type skeleton struct {
	base     []byte
	messages int
	bytes    int
}

func (s *skeleton) message(out []byte, m *message, from, to int) ([]byte, error) {
	if s.messages++; s.messages > maxMessages {
		return nil, fmt.Errorf("more than %d nodes, tensors and attributes", maxMessages)
	}
	for at := from; at < to; {
		num, typ, n := protowire.ConsumeTag(s.base[at:to])
		if n < 0 {
			return nil, fmt.Errorf("byte %d: %w", at, protowire.ParseError(n))
		}
		size := protowire.ConsumeFieldValue(num, typ, s.base[at+n:to])
		if size < 0 {
			return nil, fmt.Errorf("byte %d: %w", at, protowire.ParseError(size))
		}
		end := at + n + size
		inner, known := m.fields[num]
		if !known {
			at = end
			continue
		}
		content := end // of the bytes, after their length
		if typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(s.base[at+n : end])
			content -= len(v)
		}
		var err error
		switch {
		case inner != nil && typ == protowire.BytesType:
			var body []byte
			if body, err = s.message(nil, inner, content, end); err == nil {
				out = protowire.AppendTag(out, num, typ)
				out = protowire.AppendBytes(out, body)
			}
		case typ == protowire.BytesType && end-content > cutBytes && contains(m.cut, num):
			out = protowire.AppendTag(out, 1000, protowire.VarintType)
			out = protowire.AppendVarint(out, uint64(content))
			out = protowire.AppendTag(out, 1001, protowire.VarintType)
			out = protowire.AppendVarint(out, uint64(end-content))
		default:
			s.bytes += end - at
			if s.bytes > maxSkeleton {
				return nil, fmt.Errorf("more than %d bytes beside the data of tensors", maxSkeleton)
			}
			out = append(out, s.base[at:end]...)
		}
		if err != nil {
			return nil, err
		}
		at = end
	}
	return out, nil
}

func contains(list []protowire.Number, n protowire.Number) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}
