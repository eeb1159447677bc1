// The header is C++ as well: it compiles, and its functions are found.
#include <layoutclient.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

int main() {
    if (ll_connect("nonsense", nullptr) != nullptr || errno != EINVAL) { return 1; }
    if (std::strstr(ll_error_detail(), "layout+unix://") == nullptr) { return 1; }
    std::puts("all right");
    return 0;
}
