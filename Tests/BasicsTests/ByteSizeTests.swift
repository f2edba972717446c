import Basics
import TestSupport
import Testing

@Suite struct ByteSizeTests {
  @Test(arguments: [
    ("0", 0), ("123", 123), ("5GB", 5_000_000_000), ("5B", 5_000_000_000), ("5b", 5_000_000_000),
    ("500MB", 500_000_000), ("200M", 200_000_000), ("7k", 7000), ("7KB", 7000), ("1KiB", 1024),
    ("3MiB", 3 << 20), ("1GiB", 1 << 30), ("2TiB", 2 << 40), ("2T", 2_000_000_000_000),
    ("1.5 GB", 1_500_000_000), ("0.5KiB", 512), ("1.0005K", 1000), (" 10 gb ", 10_000_000_000),
  ])
  func parses(text: String, bytes: Int) throws {
    #expect(try ByteSize.parse(text) == bytes)
  }

  @Test(arguments: [
    "", "GB", "-1", "-5GB", "5XB", "5 G B s", "1.2.3", ".5GB", "5.GB", "1e9", "٣GB", "0x10", "+5",
    "9223372036854775808", "9999999999TB", "9999999999.5TB",
  ])
  func rejects(text: String) {
    #expect(
      message { try ByteSize.parse(text) }
        == "expected a size such as 5GB, 500MB, 1GiB, 5B (5 billion) or a number of bytes, "
        + "found '\(text)'")
  }

  @Test(arguments: [
    (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 KB"), (2_200_119_664, "2.2 GB"),
    (90_868_376, "90.9 MB"), (99_960_000, "100 MB"), (512_000_000, "512 MB"), (999_499_999, "999 MB"),
    (999_500_000, "1.0 GB"), (.max, "9.2 EB"),
  ])
  func formats(bytes: Int, text: String) {
    #expect(ByteSize.format(bytes) == text)
  }
}
