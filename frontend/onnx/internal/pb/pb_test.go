package pb_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
)

// messages are all of the file, by name.
func messages(t *testing.T) map[string]protoreflect.MessageType {
	list := map[string]protoreflect.MessageType{}
	for _, m := range []proto.Message{&pb.Model{}, &pb.OperatorSet{}, &pb.Graph{}, &pb.Node{}, &pb.Attribute{}, &pb.Tensor{}, &pb.Entry{}, &pb.ValueInfo{}, &pb.Type{}, &pb.TensorType{}, &pb.Shape{}, &pb.Dimension{}, &pb.Function{}} {
		list[string(m.ProtoReflect().Descriptor().Name())] = m.ProtoReflect().Type()
	}
	require.Len(t, list, pb.File_onnx_proto.Messages().Len())
	return list
}

// fill sets all fields of a message, those of its messages too, down to a depth.
func fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		var v protoreflect.Value
		switch f.Kind() {
		case protoreflect.MessageKind:
			if depth == 0 {
				continue
			}
			if f.IsList() {
				fill(m.Mutable(f).List().AppendMutable().Message(), depth-1)
			} else {
				fill(m.Mutable(f).Message(), depth-1)
			}
			continue
		case protoreflect.StringKind:
			v = protoreflect.ValueOfString("text of " + string(f.Name()))
		case protoreflect.BytesKind:
			v = protoreflect.ValueOfBytes([]byte(f.Name()))
		case protoreflect.Int64Kind:
			v = protoreflect.ValueOfInt64(int64(f.Number()) - 1<<40)
		case protoreflect.Int32Kind:
			v = protoreflect.ValueOfInt32(int32(f.Number()) - 1<<20)
		case protoreflect.Uint64Kind:
			v = protoreflect.ValueOfUint64(uint64(f.Number()) + 1<<63)
		case protoreflect.FloatKind:
			v = protoreflect.ValueOfFloat32(float32(f.Number()) + .5)
		case protoreflect.DoubleKind:
			v = protoreflect.ValueOfFloat64(float64(f.Number()) + .25)
		default:
			panic(f.Kind())
		}
		if f.IsList() {
			m.Mutable(f).List().Append(v)
		} else {
			m.Set(f, v)
		}
	}
}

// TestGetters: what a field of a message is, and its default where the message is nil or
// lacks it.
func TestGetters(t *testing.T) {
	for name, typ := range messages(t) {
		full := typ.New()
		fill(full, 1)
		empty, none := typ.New().Interface(), typ.Zero().Interface()
		for i := range full.Descriptor().Fields().Len() {
			f := full.Descriptor().Fields().Get(i)
			words := strings.Split(string(f.Name()), "_")
			for k, w := range words {
				words[k] = strings.ToUpper(w[:1]) + w[1:]
			}
			getter := "Get" + strings.Join(words, "")
			call := func(m proto.Message) any {
				v := reflect.ValueOf(m).MethodByName(getter)
				require.True(t, v.IsValid(), "%s.%s", name, getter)
				return v.Call(nil)[0].Interface()
			}
			got := reflect.ValueOf(call(full.Interface()))
			if f.IsList() {
				require.Equal(t, 1, got.Len(), "%s.%s", name, getter)
				got = got.Index(0)
			}
			want := full.Get(f)
			if f.IsList() {
				want = want.List().Get(0)
			}
			if f.Kind() == protoreflect.MessageKind {
				assert.Same(t, want.Message().Interface(), got.Interface(), "%s.%s", name, getter)
			} else {
				assert.Equal(t, want.Interface(), got.Interface(), "%s.%s", name, getter)
			}
			assert.Zero(t, call(empty), "%s.%s of an empty message", name, getter)
			assert.Zero(t, call(none), "%s.%s of nil", name, getter)
		}
	}
}

// TestMessages: what is written is read again, and printed; a reset message is empty.
func TestMessages(t *testing.T) {
	for name, typ := range messages(t) {
		full := typ.New()
		fill(full, 3)
		raw, err := proto.Marshal(full.Interface())
		require.NoError(t, err)
		require.NotEmpty(t, raw, name)
		again := typ.New().Interface()
		require.NoError(t, proto.Unmarshal(raw, again))
		assert.True(t, proto.Equal(full.Interface(), again), name)
		text := again.(interface{ String() string }).String()
		parsed := typ.New().Interface()
		require.NoError(t, prototext.Unmarshal([]byte(text), parsed), name)
		assert.True(t, proto.Equal(again, parsed), name)
		again.(interface{ Reset() }).Reset()
		assert.True(t, proto.Equal(typ.New().Interface(), again), name)
		assert.Equal(t, name, string(reflect.ValueOf(typ.Zero().Interface()).MethodByName("ProtoReflect").Call(nil)[0].Interface().(protoreflect.Message).Descriptor().Name()), "of nil")
	}
}

// TestWire reads the bytes that protobuf's own documents give for a model of one node.
func TestWire(t *testing.T) {
	raw := []byte{8, 8, 66, 2, 16, 13, 58, 13, 10, 11, 10, 1, 'x', 18, 1, 'y', 34, 3, 'A', 'b', 's'}
	var m pb.Model
	require.NoError(t, proto.Unmarshal(raw, &m))
	assert.Equal(t, int64(8), m.GetIrVersion())
	assert.Equal(t, int64(13), m.GetOpsetImport()[0].GetVersion())
	n := m.GetGraph().GetNode()[0]
	assert.Equal(t, []string{"x"}, n.GetInput())
	assert.Equal(t, []string{"y"}, n.GetOutput())
	assert.Equal(t, "Abs", n.GetOpType())
	assert.Error(t, proto.Unmarshal(raw[:len(raw)-1], &m), "truncated")
}
