"""What the commands do: one public function a file, plain arguments, exit status back."""
