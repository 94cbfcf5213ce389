// A web server on loopback that misbehaves on request, byte by byte. Plain sockets: what is tested
// here are broken connections, and a library would repair them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace stkit::test {

struct SeenRequest {
  std::string method;
  std::string target;                          // as sent: path and query
  std::map<std::string, std::string> headers;  // names in lower case
  uint64_t body_bytes_sent = 0;                // of the answer

  std::string header(std::string_view name) const;
  // Of a Range header: first and last byte.
  std::optional<std::pair<uint64_t, uint64_t>> range() const;
};

struct Answer {
  enum class End : uint8_t {
    KeepAlive,
    Close,    // an orderly end of the connection
    Reset,    // RST: the client loses what it has not read yet
    Hold,     // nothing more comes, and the connection stays
    Trickle,  // the rest comes byte by byte, some hundred in a second
  };

  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::optional<uint64_t> content_length = {};  // what is announced; the body's size by default
  bool chunked = false;
  std::string raw = {};                    // sent in place of everything, when not empty
  std::optional<uint64_t> cut_after = {};  // so many bytes of the body are sent
  End end = End::KeepAlive;                // what happens then; a cut body is at least closed
};

class HttpServer {
 public:
  using Handler = std::function<Answer(const SeenRequest&)>;  // called from many threads

  // `host` is the name that url() gives the machine: clients take another name for another host.
  explicit HttpServer(Handler handler, std::string host = "127.0.0.1");
  HttpServer(const HttpServer&) = delete;
  ~HttpServer();

  uint16_t port() const { return port_; }
  std::string url(std::string_view target = "/") const;

  std::vector<SeenRequest> log() const;
  void clear_log();
  size_t connections() const;

 private:
  void accept_all();
  void serve(int socket);
  bool answer(int socket, const SeenRequest& request, size_t index);

  const Handler handler_;
  const std::string host_;
  int listener_ = -1;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  bool stopping_ = false;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::vector<SeenRequest> log_;
  size_t connections_ = 0;
  std::thread acceptor_;
};

// What a sound server answers for a file: 200, 206 or 416, with an ETag when one is given.
Answer serve_content(const SeenRequest& request, std::string_view content, std::string etag = {});

// A port on loopback where nobody listens.
uint16_t closed_port();

}  // namespace stkit::test
