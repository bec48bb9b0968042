"""Google Sheets for a world: Sheets v4, the part of Drive v3 that clients use, and the tokens for both."""
