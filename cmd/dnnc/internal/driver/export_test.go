package driver

import (
	"context"
	"encoding/json"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/runtime/data"
)

// Config is what the compiler gets of options.
func Config(o *Options) (dnnc.Config, error) { return o.config() }

// Take searches a job over a folder, and counts the answers.
func Take(words json.RawMessage, blobs map[string][]byte, store string) (computed, taken int64, err error) {
	return TakeWithin(context.Background(), words, blobs, store)
}

// TakeWithin is Take for a time.
func TakeWithin(ctx context.Context, words json.RawMessage, blobs map[string][]byte, store string) (computed, taken int64, err error) {
	s := &counted{Store: &folder{dir: store}}
	err = take(ctx, words, blobs, s, 0)
	return s.computed.Load(), s.taken.Load(), err
}

// Packed is a batch that was packed and unpacked, and the bytes between.
func Packed(b data.Batch) (data.Batch, int, error) {
	text, err := pack(b)
	if err != nil {
		return data.Batch{}, 0, err
	}
	b, err = unpack(text)
	return b, len(text), err
}

// Pack writes images of a job.
func Pack(b data.Batch) ([]byte, error) { return pack(b) }

// Unpack reads images of a job.
func Unpack(text []byte) (data.Batch, error) { return unpack(text) }
