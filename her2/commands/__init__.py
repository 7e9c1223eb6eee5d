"""The commands: one public function in each file."""
