"""What the tests of the reviewed project say."""
