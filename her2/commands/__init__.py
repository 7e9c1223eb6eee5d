"""What the commands do: one public function a file."""
