// Package pb is ONNX's messages, generated from onnx.proto with protoc (Debian's
// protobuf-compiler) and google.golang.org/protobuf/cmd/protoc-gen-go.
package pb

//go:generate protoc --go_out=. --go_opt=paths=source_relative onnx.proto
