//go:build linux

// Command labguest plugs a virtual UPS that another machine serves into the
// kernel it runs on: labguest HOST:PORT.
package main

import (
	"fmt"
	"net"
	"os"

	"lastwatt/hwtest/vups"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "labguest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument: the host and port that serve the ups")
	}
	conn, err := net.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	return vups.Give(0, file)
}
