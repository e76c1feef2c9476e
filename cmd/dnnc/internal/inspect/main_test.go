package inspect_test

import (
	"testing"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

func TestMain(m *testing.M) { dnnctest.Main(m) }
