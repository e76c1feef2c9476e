package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

func TestProf(t *testing.T) {
	args := os.Getenv("PROF_ARGS")
	if args == "" {
		t.Skip()
	}
	var out bytes.Buffer
	t.Log(run(context.Background(), strings.Fields(args), &out, os.Stderr))
	t.Log(out.String())
}
