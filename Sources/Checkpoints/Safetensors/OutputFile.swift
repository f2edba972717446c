import Basics
import Glibc
import Synchronization
import SystemPackage
import Tensors

/// Buffers that no tile is in, for all files of a writer.
final class SpareTiles: Sendable {
  private let tiles = Mutex<[TileBuffer]>([])

  func take() -> TileBuffer { tiles.withLock { $0.popLast() } ?? TileBuffer() }

  func give(_ tile: TileBuffer) { tiles.withLock { $0.append(tile) } }
}

/// A file that is created, written and closed; closed at the latest when the last reference goes.
final class OutputFile: Sendable {
  private let path: FilePath
  /// What errors call it.
  private let shown: FilePath
  private let space: DiskSpace
  /// -1 once it is closed, so that a late write fails and hits no other file.
  private let descriptor: Atomic<CInt>
  private let queue = Mutex(Queue())
  private let spares: SpareTiles

  /// Creates a file, which must not exist.
  init(path: FilePath, shownAs shown: FilePath, space: DiskSpace, spares: SpareTiles) throws {
    self.path = path
    self.shown = shown
    self.spares = spares
    self.space = space
    do {
      let opened = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
      descriptor = Atomic(opened.rawValue)
    } catch let error as Errno {
      throw FileError.opening(shown, error, to: "create")
    }
  }

  deinit {
    try? close()
  }

  /// Gives the file its full size, and its space on the disk where the file system can.
  func allocate(_ byteCount: Int) throws {
    let descriptor = open
    var result: CInt
    repeat { result = posix_fallocate(descriptor.rawValue, 0, byteCount) } while result == EINTR
    switch Errno(rawValue: result) {
    case Errno(rawValue: 0): return
    case .notSupported, .invalidArgument, .noFunction:
      try reporting("resize") { try descriptor.resize(to: Int64(byteCount)) }
    case let error: throw failure("resize", error)
    }
  }

  /// Writes all of the buffer.
  func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws {
    try reporting("write") { try open.writeAll(toAbsoluteOffset: Int64(offset), buffer) }
  }

  /// Writes the first bytes of a tile. File systems let one thread at a time write to a file, and those that wait
  /// would only spin: a thread that comes while another writes leaves its tile to that one and takes a spare buffer.
  func write(_ tile: TileBuffer, byteCount: Int, at offset: Int) throws -> TileBuffer {
    var write = Write(tile: tile, byteCount: byteCount, offset: offset)
    switch try queue.withLock({ try $0.enter(write, spares) }) {
    case .later(let spare): return spare
    case .crowded: try self.write(write.bytes, at: offset)
    case .now:
      while true {
        do {
          try self.write(write.bytes, at: write.offset)
        } catch {
          queue.withLock { $0.fail(error) }
          throw error
        }
        if write.tile !== tile { spares.give(write.tile) }
        guard let next = queue.withLock({ $0.next() }) else { break }
        write = next
      }
    }
    return tile
  }

  /// Closes the file; some file systems report only now that a write failed.
  func close() throws {
    let rawValue = descriptor.exchange(-1, ordering: .acquiringAndReleasing)
    if rawValue >= 0 { try reporting("write") { try FileDescriptor(rawValue: rawValue).close() } }
  }

  /// Closes and deletes the file.
  func remove() {
    try? close()
    _ = path.withPlatformString { unlink($0) }
  }

  private var open: FileDescriptor { FileDescriptor(rawValue: descriptor.load(ordering: .acquiring)) }

  private func reporting<Value>(_ action: String, _ body: () throws -> Value) throws {
    do {
      _ = try body()
    } catch let error as Errno {
      throw failure(action, error)
    }
  }

  private func failure(_ action: String, _ error: Errno) -> any Error {
    [.noSpace, .diskQuotaExceeded].contains(error)
      ? CheckpointError.diskFull(space, free: space.free ?? 0)
      : FileError.system(action: action, path: shown, errno: error)
  }

  private struct Write {
    var tile: TileBuffer
    var byteCount: Int
    var offset: Int

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: tile.pointer, count: byteCount) }
  }

  /// Tiles that wait for the thread that writes.
  private struct Queue {
    enum Turn {
      /// The caller is the one that writes, until nothing waits.
      case now
      /// Another thread writes the tile.
      case later(TileBuffer)
      /// Too many wait.
      case crowded
    }

    /// Bytes of tiles that may wait: a burst of results, while the kernel finds pages for those before.
    private static let mostWaiting = 8 << 20

    private var isWriting = false
    private var waiting: [Write] = []
    private var waitingBytes = 0
    private var failure: (any Error)?

    mutating func enter(_ write: Write, _ spares: SpareTiles) throws -> Turn {
      if let failure { throw failure }
      if !isWriting {
        isWriting = true
        return .now
      }
      if waitingBytes + write.byteCount > Self.mostWaiting { return .crowded }
      waiting.append(write)
      waitingBytes += write.byteCount
      return .later(spares.take())
    }

    /// What the thread that writes is to write next.
    mutating func next() -> Write? {
      isWriting = !waiting.isEmpty
      guard isWriting else { return nil }
      let next = waiting.removeFirst()
      waitingBytes -= next.byteCount
      return next
    }

    mutating func fail(_ error: any Error) {
      failure = error
      isWriting = false
      waiting = []
    }
  }
}
