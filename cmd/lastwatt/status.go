package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"lastwatt/drivers"
	"lastwatt/policy"
	"lastwatt/rack"
)

func status(ctx context.Context, e env, args []string) int {
	return show(ctx, e, "status", args, func(s rack.Snapshot) any { return s }, printStatus)
}

func nodes(ctx context.Context, e env, args []string) int {
	return show(ctx, e, "nodes", args, func(s rack.Snapshot) any { return s.Nodes }, printNodes)
}

// show prints a part of the newest snapshot.
func show(ctx context.Context, e env, name string, args []string, part func(rack.Snapshot) any, print func(io.Writer, rack.Snapshot)) int {
	f := flags(e, name)
	asJSON := f.Bool("json", false, "print JSON")
	socket := socketFlag(f)
	if _, status := parse(f, args); status >= 0 {
		return status
	}
	s, err := snapshotOf(ctx, *socket)
	if err != nil {
		return explain(e, err)
	}
	if *asJSON {
		return printJSON(e, part(s))
	}
	print(e.out, s)
	return exitOK
}

func printStatus(w io.Writer, s rack.Snapshot) {
	fmt.Fprintf(w, "%s: %s\n", s.Site, s.Summary)
	if o := s.Outage; o != nil {
		fmt.Fprintf(w, "outage %s: %s so far, %s on battery, phase %s\n", o.ID, policy.Short(o.Elapsed), policy.Short(o.OnBattery), s.Phase)
	} else if o := s.Last; o != nil {
		fmt.Fprintf(w, "last outage %s: %s, %s on battery\n", o.ID, policy.Short(o.Elapsed), policy.Short(o.OnBattery))
	}
	for _, u := range s.UPS {
		printUPS(w, u)
	}
	fmt.Fprintln(w)
	printNodes(w, s)
	if len(s.Swarm.Services) > 0 {
		var parts []string
		for _, v := range s.Swarm.Services {
			parts = append(parts, fmt.Sprintf("%s %d/%d", v.Name, v.Running, v.Desired))
		}
		fmt.Fprintf(w, "services: %s\n", strings.Join(parts, ", "))
	}
	fmt.Fprintln(w)
	printPlan(w, s, 6)
	for _, p := range s.Health {
		fmt.Fprintf(w, "%s: %s", p.Severity, p.Text)
		if p.Remedy != "" {
			fmt.Fprintf(w, ": %s", p.Remedy)
		}
		fmt.Fprintln(w)
	}
}

func printUPS(w io.Writer, u rack.UPS) {
	if !u.Known {
		fmt.Fprintf(w, "ups %s: nothing heard yet\n", u.Name)
		return
	}
	f := u.Fact
	parts := []string{f.Status()}
	if f.Charge != nil {
		parts = append(parts, "charge "+f.Charge.String())
	}
	if f.Runtime != nil {
		parts = append(parts, "says "+policy.Short(*f.Runtime)+" left")
	}
	if f.InputVoltage != nil {
		parts = append(parts, "input "+f.InputVoltage.String())
	}
	if f.Load != nil {
		parts = append(parts, "load "+f.Load.String())
	}
	if !u.Contact {
		parts = append(parts, "NO CONTACT for "+policy.Short(u.Age))
	}
	fmt.Fprintf(w, "ups %s: %s\n", u.Name, strings.Join(parts, ", "))
}

func printNodes(w io.Writer, s rack.Snapshot) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSTATE\tAGENT\tSWARM\tAVAILABILITY\tWAKE\tTEMP\tDRAW")
	for _, n := range s.Nodes {
		name, agent, role, temp := n.Name, "gone", n.Role, "-"
		if n.UPSHost {
			name += "*"
		}
		if n.Connected {
			agent = "here"
		}
		if n.Leader {
			role = "leader"
		}
		if n.Fact.Temperature != nil {
			temp = n.Fact.Temperature.String()
		}
		draw := "-"
		if n.Fact.Draw != nil {
			draw = fmt.Sprintf("%s (%s)", n.Fact.Draw, n.Fact.Method)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, n.State, agent, dash(role), dash(n.Availability), n.Wake, temp, draw)
	}
	t.Flush()
	printParts(w, "rack", s.Fans, s.Rails, s.Meters, s.Witnesses)
	for _, n := range s.Nodes {
		printParts(w, n.Name, n.Fans, n.Rails, n.Meters, nil)
	}
}

// printParts prints what is known of the parts of a node or of the rack, if it has
// any.
func printParts(w io.Writer, whose string, fans []drivers.Fan, rails []drivers.Rail, meters []drivers.Meter, witnesses []drivers.Witness) {
	var all []string
	for _, f := range fans {
		text := "fan " + f.Name
		if f.RPM != nil {
			text += fmt.Sprintf(" %.0f rpm", *f.RPM)
		}
		all = append(all, strings.TrimSpace(text+" "+string(f.State)))
	}
	for _, r := range rails {
		text := "rail " + r.Name
		switch {
		case r.Volts != nil:
			text += fmt.Sprintf(" %.2f V", float64(*r.Volts))
		case r.Good != nil && *r.Good:
			text += " good"
		}
		if r.Good != nil && !*r.Good || r.Level == drivers.Warning || r.Level == drivers.Critical {
			text += " BAD"
		}
		all = append(all, text)
	}
	for _, m := range meters {
		text := "meter " + m.Name
		if m.Watts != nil {
			text += fmt.Sprintf(" %s (%s)", m.Watts, m.Method)
		}
		all = append(all, text)
	}
	for _, o := range witnesses {
		text := "unknown"
		if o.Mains != nil {
			text = map[bool]string{true: "there", false: "away"}[*o.Mains]
		}
		all = append(all, "mains by "+o.Name+" "+text)
	}
	if len(all) > 0 {
		fmt.Fprintf(w, "%s: %s\n", whose, strings.Join(all, ", "))
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printPlan prints at most most steps; below 0 is all of them.
func printPlan(w io.Writer, s rack.Snapshot, most int) {
	p := s.Plan
	if len(p.Steps) == 0 {
		fmt.Fprintln(w, "plan: nothing more to do")
		return
	}
	head := "if mains went away now"
	if s.Outage != nil {
		head = "if mains stays away"
	}
	if s.Mode != "armed" {
		head += " (and it were armed)"
	}
	if p.TimeToEmpty != nil {
		head += fmt.Sprintf("; about %s of battery (%s)", policy.Short(*p.TimeToEmpty), p.Method)
	}
	if p.LoadMethod != "" {
		head += fmt.Sprintf(" at %s (%s)", p.Load, p.LoadMethod)
	}
	if p.Margin != nil {
		head += fmt.Sprintf(", %s left at the end", policy.Short(*p.Margin))
	}
	fmt.Fprintln(w, head+":")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, step := range p.Steps {
		if most >= 0 && i >= most {
			fmt.Fprintf(t, "  ...\t\t\"lastwatt plan\" tells all %d steps\t\n", len(p.Steps))
			break
		}
		fmt.Fprintf(t, "  in %s\t%.0f W\t%s %s\t%s\n", clockTime(step.In), step.Watts, step.What, step.Node, step.Reason)
	}
	t.Flush()
}

// clockTime prints 0:07:05.
func clockTime(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
