package config

import (
	"fmt"
	"os"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
)

// DefaultAgentPath is where an agent's configuration is; "lastwatt join" writes
// it.
const DefaultAgentPath = "/etc/lastwatt/agent.yaml"

// Agent is an agent's configuration.
type Agent struct {
	// Node is the name that the node joined with; Controller its host:port.
	Node, Controller string
	// Dir holds the certificates that joining gave.
	Dir string
	// Docker is the engine's address; empty is the local socket, "none" says
	// that there is no engine.
	Docker   string
	Commands Commands
	// Sensors are what this machine reads beside what its board tells.
	Sensors []Sensor
}

// Commands are how this machine is halted, parked and started again; what is
// left out is done systemd's way. Each is a list of commands, each a list of
// arguments.
type Commands struct {
	Halt   [][]string `yaml:"halt"`
	Timer  [][]string `yaml:"timer"`
	Park   [][]string `yaml:"park"`
	Reboot [][]string `yaml:"reboot"`
}

// agentFile is the shape of an agent's file.
type agentFile struct {
	Node       string      `yaml:"node"`
	Controller string      `yaml:"controller"`
	Dir        string      `yaml:"dir"`
	Docker     string      `yaml:"docker"`
	Commands   Commands    `yaml:"commands"`
	Sensors    []yaml.Node `yaml:"sensors"`
}

// LoadAgent reads an agent's configuration. kinds are the drivers there are.
func LoadAgent(path string, kinds []drivers.Kind) (Agent, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Agent{}, fmt.Errorf("read the agent's configuration: %w: join first, with the line that \"lastwatt token\" prints on the controller", err)
	}
	f := agentFile{Dir: "/var/lib/lastwatt-agent"}
	c := checker{path: path, kinds: kinds, root: parseTree(data)}
	c.decode(data, &f)
	a := Agent{Node: f.Node, Controller: f.Controller, Dir: f.Dir, Docker: f.Docker, Commands: f.Commands, Sensors: c.sensors(f.Sensors)}
	if len(c.problems) == 0 {
		if a.Node == "" {
			c.wrong([]any{"node"}, "no node: write the name that this node joined with")
		}
		if a.Controller == "" {
			c.wrong([]any{"controller"}, "no controller: write its host:port")
		}
	}
	if len(c.problems) > 0 {
		return Agent{}, c.sorted()
	}
	return a, nil
}
