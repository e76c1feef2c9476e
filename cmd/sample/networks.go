package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/examples"
	"github.com/dnnc/dnnc/ir"
)

// writeNetworks writes the example networks: texts, and tensors beside them.
func writeNetworks(folder string) error {
	for _, e := range examples.All {
		m, err := e.Module()
		if err != nil {
			return err
		}
		var tensors bytes.Buffer
		if err := frontend.WriteTensors(&tensors, m); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, e.Name+".safetensors"), tensors.Bytes(), 0o644); err != nil {
			return err
		}
		m.Tensors = []ir.TensorsFile{{Path: e.Name + ".safetensors"}}
		text := fmt.Sprintf("# %s: %s. Random weights.\n%s", e.Name, e.Doc, m.Source())
		if err := os.WriteFile(filepath.Join(folder, e.Name+".dnn"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
