import Basics
import SystemPackage

/// How the finished files of one output get to their place. It can be begun, broken off at any point, and gone
/// on with or undone by another process: what has been done is seen in where the files are.
struct Installation: Equatable, Sendable {
  enum Mode: String, Sendable {
    /// The new directory takes the place of what is there, if something is.
    case place
    /// The new files are moved into the directory that is there.
    case fill
  }

  /// A move of a fill, by paths relative to the output.
  enum Step: Equatable, Sendable {
    /// What is at the output goes.
    case displace(FilePath)
    /// What is new comes, a file or a whole folder.
    case install(FilePath)
    /// A new file takes the place of what is there, if something is, as one change: the whole of a fill.
    case overwrite(FilePath)
  }

  /// The output's absolute path without links.
  var target: FilePath
  /// The staging directory.
  var staging: FilePath
  var mode: Mode
  /// Which directory the new one is, for `place`.
  var identity: DirectoryIdentity?
  /// Whether a fill displaces all that is there and not new.
  var displacesAll = false
  /// Of a fill, in order.
  var steps: [Step] = []
  /// Where the old contents are kept, if they are.
  var aside: FilePath?

  private var new: FilePath { StagingDirectory.new(in: staging) }
  private var old: FilePath { StagingDirectory.old(in: staging) }

  /// The file that is all of the output, in the folder `target`.
  private var file: FilePath? {
    if case .overwrite(let path)? = steps.first { path } else { nil }
  }

  // MARK: Forward

  /// Does what has not been done.
  func complete() throws(Errno) {
    switch mode {
    case .place: try place()
    case .fill: try fill()
    }
  }

  /// Whether everything has been done.
  var isComplete: Bool {
    get throws(Errno) {
      guard mode == .fill else { return try isPlaced }
      for step in steps {
        switch step {
        case .install(let path), .overwrite(let path): if try exists(new, path) { return false }
        case .displace: break
        }
      }
      return true
    }
  }

  /// Whether the new directory is neither at the output nor in the staging directory, as somebody took it.
  var isLost: Bool {
    get throws(Errno) {
      guard mode == .place, try !isPlaced else { return false }
      return try identity?.matches(new) != true
    }
  }

  private var isPlaced: Bool { get throws(Errno) { try identity?.matches(target) == true } }

  private func place() throws(Errno) {
    if try isPlaced { return }
    guard try identity?.matches(new) == true else { throw .noSuchFileOrDirectory }
    let isThere = try DirectoryFiles.isPresent(target)
    if !displacesAll || !isThere {
      // Replaces an empty directory too, and fails if it is not empty any more.
      return try DirectoryFiles.move(new, to: target)
    }
    do throws(Errno) {
      try DirectoryFiles.exchange(new, target)
    } catch .invalidArgument, .noFunction, .notSupported {
      // The file system cannot: for a moment there is none, and the record says what is to be done.
      try DirectoryFiles.move(target, to: old)
      try DirectoryFiles.move(new, to: target)
    }
  }

  private func fill() throws(Errno) {
    if displacesAll {
      var installed: Set<FilePath> = []
      for step in steps {
        if case .install(let path) = step, try !exists(new, path) { installed.insert(path) }
      }
      for name in try DirectoryFiles.names(in: target) {
        let path = FilePath().appending(name)
        let isOurs = target.appending(name) == staging || target.appending(name) == aside
        if !isOurs, !installed.contains(path) { try displace(path) }
      }
    }
    for step in steps {
      switch step {
      case .displace(let path): try displace(path)
      case .install(let path):
        guard try exists(new, path) else { continue }
        try DirectoryFiles.move(new.pushing(path), to: target.pushing(path))
      case .overwrite(let path): try overwrite(path)
      }
    }
  }

  private func overwrite(_ path: FilePath) throws(Errno) {
    guard try exists(new, path) else { return }
    if try exists(target, path), try !exists(old, path) {
      // A second name keeps the old contents, so that there is no moment without a file.
      try DirectoryFiles.makeDirectories(old)
      do throws(Errno) {
        try DirectoryFiles.link(target.pushing(path), to: old.pushing(path))
      } catch .notPermitted, .notSupported, .tooManyLinks, .noFunction {
        try DirectoryFiles.move(target.pushing(path), to: old.pushing(path))
      }
    }
    try DirectoryFiles.move(new.pushing(path), to: target.pushing(path))
  }

  private func displace(_ path: FilePath) throws(Errno) {
    guard try exists(target, path), try !exists(old, path) else { return }
    try DirectoryFiles.makeDirectories(old.pushing(path).removingLastComponent())
    try DirectoryFiles.move(target.pushing(path), to: old.pushing(path))
  }

  // MARK: Back

  /// Undoes what has been done.
  func undo() throws(Errno) {
    switch mode {
    case .place: try takeBack()
    case .fill: try empty()
    }
  }

  private func takeBack() throws(Errno) {
    if try isPlaced {
      if try DirectoryFiles.isPresent(new) { return try DirectoryFiles.exchange(new, target) }
      try DirectoryFiles.move(target, to: new)
    }
    if try DirectoryFiles.isPresent(old), try !DirectoryFiles.isPresent(target) {
      try DirectoryFiles.move(old, to: target)
    }
  }

  private func empty() throws(Errno) {
    for step in steps.reversed() {
      switch step {
      case .install(let path):
        guard try !exists(new, path), try exists(target, path) else { continue }
        try DirectoryFiles.move(target.pushing(path), to: new.pushing(path))
      case .displace(let path): try bringBack(path)
      case .overwrite(let path):
        if try !exists(new, path), try exists(target, path) {
          try DirectoryFiles.move(target.pushing(path), to: new.pushing(path))
        }
        try bringBack(path)
      }
    }
    guard displacesAll, try DirectoryFiles.isPresent(old) else { return }
    for name in try DirectoryFiles.names(in: old) { try bringBack(FilePath().appending(name)) }
  }

  private func bringBack(_ path: FilePath) throws(Errno) {
    guard try exists(old, path), try !exists(target, path) else { return }
    try DirectoryFiles.move(old.pushing(path), to: target.pushing(path))
  }

  // MARK: The end

  /// Waits until the moves are on the disk.
  func sync() throws(Errno) {
    if file == nil { try DirectoryFiles.sync(target.removingLastComponent()) }
    try DirectoryFiles.sync(staging)
    guard mode == .fill else { return }
    var folders: Set<FilePath> = [target, new]
    if try DirectoryFiles.isPresent(old) { folders.insert(old) }
    for step in steps {
      switch step {
      case .displace(let path), .install(let path), .overwrite(let path):
        folders.insert(target.pushing(path).removingLastComponent())
      }
    }
    for folder in folders {
      if try DirectoryFiles.isPresent(folder) { try DirectoryFiles.sync(folder) }
    }
  }

  /// Moves the old contents to where they are kept, if they are.
  func keepOld() throws(Errno) {
    guard let aside, try !DirectoryFiles.isPresent(aside) else { return }
    if let file {
      guard try exists(old, file) else { return }
      return try DirectoryFiles.move(old.pushing(file), to: aside)
    }
    for path in mode == .fill ? [old] : [old, new] {
      guard try DirectoryFiles.isPresent(path) else { continue }
      return try DirectoryFiles.move(path, to: aside)
    }
  }

  private func exists(_ directory: FilePath, _ path: FilePath) throws(Errno) -> Bool {
    try DirectoryFiles.isPresent(directory.pushing(path))
  }
}

/// Which directory one is: by its number, and by what it holds where a file system gives it another.
struct DirectoryIdentity: Equatable, Sendable {
  struct File: Hashable, Sendable {
    var path: FilePath
    var bytes: Int
    var modified: String
  }

  var device: UInt64
  var inode: UInt64
  /// All files, by their paths in it.
  var files: [File]

  init(device: UInt64, inode: UInt64, files: [File]) {
    self.device = device
    self.inode = inode
    self.files = files
  }

  init(of directory: FilePath) throws(Errno) {
    let identity = FileIdentity(try directory.stat(followTargetSymlink: false))
    device = identity.device
    inode = identity.inode
    files = []
    var folders = [FilePath()]
    while let folder = folders.popLast() {
      for name in try DirectoryFiles.names(in: directory.pushing(folder)) {
        let path = folder.appending(name)
        let state = try directory.pushing(path).stat(followTargetSymlink: false)
        if state.type == .directory {
          folders.append(path)
        } else {
          let file = FileIdentity(state)
          files.append(File(path: path, bytes: file.byteCount, modified: file.modifiedText))
        }
      }
    }
  }

  /// Whether this directory stands at a path now.
  func matches(_ path: FilePath) throws(Errno) -> Bool {
    guard try DirectoryFiles.isPresent(path) else { return false }
    let state = try path.stat(followTargetSymlink: false)
    guard state.type == .directory else { return false }
    if FileIdentity(state).inode == inode { return true }
    guard !files.isEmpty else { return false }
    return try Set(files).isSubset(of: DirectoryIdentity(of: path).files)
  }
}
