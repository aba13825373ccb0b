"""What is shown to people beside the scores: the demo, the doctor, descriptions of files, and pages with pictures."""
