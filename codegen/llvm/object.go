package llvm

import (
	"context"

	"github.com/dnnc/dnnc/ir/processor"
)

// Compile makes an object ("obj") or assembly ("asm") of textual IR. What LLVM
// would call from a C library for want of an instruction, it has itself.
func Compile(ctx context.Context, tools Tools, text string, t *processor.Target, filetype string) ([]byte, error) {
	better, err := optimized(ctx, tools, text, t)
	if err != nil {
		return nil, err
	}
	better, code, err := complete(better, t, func(text []byte) ([]byte, error) { return tools.generate(ctx, text, t, object, "-") })
	if err != nil {
		return nil, err
	}
	if filetype == object {
		return code, nil
	}
	return tools.generate(ctx, better, t, filetype, "-")
}

// complete makes the object of an optimized text and gives both, with the helpers
// that the object would miss.
func complete(text []byte, t *processor.Target, generate func(text []byte) ([]byte, error)) (whole, object []byte, err error) {
	for {
		object, err := generate(text)
		if err != nil {
			return nil, nil, err
		}
		names, err := missing(object)
		if err != nil {
			return nil, nil, err
		}
		if len(names) == 0 {
			return text, object, nil
		}
		// A helper may need another: 64-bit multiplication one of 32 bits.
		text = []byte(define(string(text), t, names))
	}
}

// optimized is a text after LLVM's middle end, without branches where the processor has no
// selection.
func optimized(ctx context.Context, tools Tools, text string, t *processor.Target) ([]byte, error) {
	better, err := tools.optimize(ctx, []byte(text), t)
	if err != nil {
		return nil, err
	}
	return withoutBranches(ctx, tools, better, t)
}
