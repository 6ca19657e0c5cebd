"""What fits this device, and why: pure functions of a profile, a catalogue and a goal."""
